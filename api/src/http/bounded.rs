//! JSON of a bounded length. Serialisation stops at the first byte over the limit, so a response that is too long
//! is never held in memory as a whole.

use std::io::{self, Write};

use serde::Serialize;

/// Serialises the value as JSON; `None` if it has more than `most` bytes.
pub(super) fn to_json(value: &impl Serialize, most: usize) -> Option<Vec<u8>> {
    let mut bounded = Bounded { bytes: Vec::with_capacity(most.min(1_024)), most };
    serde_json::to_writer(&mut bounded, value).ok()?;
    Some(bounded.bytes)
}

struct Bounded {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Bounded {
    fn write(&mut self, some: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(some.len()) > self.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::to_json;

    #[test]
    fn a_value_is_written_up_to_the_limit_and_not_beyond() {
        let list = vec!["é"; 100];
        let whole = serde_json::to_vec(&list).unwrap();
        assert_eq!(to_json(&list, whole.len()), Some(whole.clone()));
        assert_eq!(to_json(&list, whole.len() - 1), None);
        assert_eq!(to_json(&list, 0), None);
    }
}
