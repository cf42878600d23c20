//! Whole mails, in each language. The committed texts are next to this file; `PLAUDIT_WRITE_MAILS=FOLDER` writes the HTML with
//! its pictures as pages, to look at in a browser.

use chrono::{DateTime, NaiveDate};

use super::super::letter::Next;
use super::*;
use crate::store::people::{self, Role};
use crate::words;

fn reader(name: &str) -> people::Row {
    people::Row {
        id: Uuid::from_u128(7),
        display_name: name.to_owned(),
        search_name: String::new(),
        search_key: String::new(),
        role: Role::Student,
        email: Some("ada@school.example".to_owned()),
        timezone: "UTC".to_owned(),
        locale: None,
        referred_by: None,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        erased_at: None,
        ranked: true,
    }
}

fn frame() -> Frame {
    Frame {
        id: Uuid::from_u128(0xda7a),
        from: "Aurora School <news@school.example>".parse().unwrap(),
        to: "Ada <ada@school.example>".parse().unwrap(),
        link: "https://school.example/achievements".to_owned(),
        unsubscribe: "https://plaudit.school.example/unsubscribe?t=0.1".to_owned(),
        date: std::time::SystemTime::UNIX_EPOCH,
    }
}

fn award(note: Option<(&str, &str)>, child: Option<&str>) -> News {
    News {
        child: child.map(str::to_owned),
        what: What::Award {
            name: "Learning Machine".to_owned(),
            description: "A thousand points, one answer at a time.".to_owned(),
            requirement: "Earn 1,000 XP".to_owned(),
            xp: 300,
            category: "progress".to_owned(),
            rarity: Rarity::Rare,
            note: note.map(|(giver, note)| (giver.to_owned(), note.to_owned())),
        },
    }
}

/// What follows one answer: an award, a level, a rank and a streak.
fn news() -> Letter {
    let own = |what| News { child: None, what };
    Letter {
        kind: Kind::News,
        reader: reader("Ada <Lovelace>"),
        news: vec![
            award(None, None),
            own(What::Level(4)),
            own(What::Rank("Skilled".to_owned())),
            own(What::Streak(7)),
        ],
        more: 0,
        standing: Some((1_300, 4)),
        next: Some(Next { name: "Knowledge Seeker".to_owned(), current: 1_300, target: 5_000, percent: 26 }),
    }
}

/// A guardian's digest about a child.
fn digest() -> Letter {
    let certificate = What::Certificate {
        title: "English A1".to_owned(),
        issuer: "Aurora".to_owned(),
        date: NaiveDate::from_ymd_opt(2026, 1, 15).unwrap(),
        number: "CERT-1".to_owned(),
    };
    let child = "Ada";
    let note = Some(("Ms Hopper", "Thank you for\nyour <help>!"));
    let mut news = vec![award(note, Some(child)), News { child: Some(child.to_owned()), what: certificate }];
    news.extend((0..12).map(|day| News { child: Some(child.to_owned()), what: What::Streak(day) }));
    Letter { kind: Kind::Digest, reader: reader("Grace"), news, more: 0, standing: None, next: None }
}

#[test]
fn whole_mails_in_each_language_are_the_committed_texts() {
    for (name, letter) in [("news", news()), ("digest", digest())] {
        for language in words::LANGUAGES {
            let view = view(&letter, words::of(Some(language), "en"), &frame());
            let text = Text { view: &view }.render().unwrap();
            let html = Html { view: &view }.render().unwrap();
            insta::assert_snapshot!(
                format!("{name}_{language}_text"),
                format!("Subject: {}\n\n{text}", view.subject)
            );
            insta::assert_snapshot!(format!("{name}_{language}_html"), html);
            if let Ok(folder) = std::env::var("PLAUDIT_WRITE_MAILS") {
                write_page(&folder, &format!("{name}_{language}"), &view, html);
            }
        }
    }
}

/// Writes the HTML of a mail as a file, and its pictures as files next to it.
fn write_page(folder: &str, name: &str, view: &View, html: String) {
    let pictures = view.items.iter().filter_map(|item| item.picture.as_ref());
    let page = pictures.fold(html, |page, picture| {
        let file = format!("{name}_{}.png", picture.id);
        std::fs::write(format!("{folder}/{file}"), &picture.png).unwrap();
        page.replace(&format!("cid:{}", picture.id), &file)
    });
    std::fs::write(format!("{folder}/{name}.html"), page).unwrap();
}

#[test]
fn a_line_break_in_a_name_cannot_add_a_header() {
    let letter = Letter { reader: reader("Ada\r\nBcc: eve@evil.example"), ..news() };
    let to =
        Mailbox::new(Some("Ada\r\nBcc: eve@evil.example".to_owned()), "ada@school.example".parse().unwrap());
    let written = std::panic::catch_unwind(|| {
        mail(&letter, words::of(None, "en"), &Frame { to: to.clone(), ..frame() })
    });
    // The library panics on such a name, or encodes it; both are harmless, because each mail is written for itself.
    if let Ok(Some(mail)) = written {
        let mail = String::from_utf8(mail).unwrap();
        assert!(!mail.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc:")), "{mail}");
    }
}

#[test]
fn a_mail_has_the_headers_of_an_automatic_one_and_an_id_of_its_delivery() {
    let mail = String::from_utf8(mail(&news(), words::of(Some("it"), "en"), &frame()).unwrap()).unwrap();
    let head = mail.split("\r\n\r\n").next().unwrap();
    for line in [
        "Message-ID: <00000000-0000-0000-0000-00000000da7a@school.example>",
        "Auto-Submitted: auto-generated",
        "Content-Language: it",
        "List-Unsubscribe: <https://plaudit.school.example/unsubscribe?t=0.1>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Date: Thu, 01 Jan 1970 00:00:00 +0000",
    ] {
        assert!(head.lines().any(|one| one == line), "{line} is missing in\n{head}");
    }
    assert!(mail.is_ascii(), "every server takes it");
}
