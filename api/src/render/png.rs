//! A badge's SVG as PNG, for clients that show no SVG, such as mail programs.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// The font of the letters on a badge. It is part of the binary, because a server may have no fonts.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    Arc::new(fonts)
});

/// The picture as a square PNG of this many pixels, with a transparent background. None if it is not a valid SVG.
pub(crate) fn png(svg: &str, pixels: u16) -> Option<Vec<u8>> {
    let options = Options { fontdb: Arc::clone(&FONTS), ..Options::default() };
    let tree = Tree::from_str(svg, &options).ok()?;
    let scale = f32::from(pixels) / tree.size().width().max(tree.size().height());
    let mut picture = Pixmap::new(u32::from(pixels), u32::from(pixels))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut picture.as_mut());
    picture.encode_png().ok()
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::Pixmap;

    use super::*;

    #[test]
    fn a_badge_is_drawn_with_its_letters() {
        let svg = super::super::badge("Learning Machine", "progress", "rare");
        let picture = Pixmap::decode_png(&png(&svg, 192).unwrap()).unwrap();
        assert_eq!((picture.width(), picture.height()), (192, 192));
        let is_white = |x, y| {
            picture.pixel(x, y).is_some_and(|dot| dot.red() > 250 && dot.green() > 250 && dot.alpha() == 255)
        };
        let across: Vec<u32> = (60..132).filter(|x| is_white(*x, 91)).collect();
        assert!(across.len() > 8, "white letters cross the middle: {across:?}");
        assert_eq!(picture.pixel(0, 0).map(|dot| dot.alpha()), Some(0), "the corner is transparent");
    }

    #[test]
    fn what_is_no_picture_is_none() {
        assert_eq!(png("<svg", 192), None);
        assert_eq!(png("", 192), None);
    }
}
