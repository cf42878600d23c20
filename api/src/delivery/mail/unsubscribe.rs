//! Links by which people stop their mails without signing in. A link is valid for one person only, and does not expire:
//! mails are read late.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::Url;
use uuid::Uuid;

/// The path of the page, below `public_url`.
pub(crate) const PATH: &str = "unsubscribe";
/// Bytes of the signature in a link.
const SIGNATURE: usize = 16;

/// Signs and checks unsubscribe links.
#[derive(Clone)]
pub(crate) struct Unsubscribing {
    mac: Hmac<Sha256>,
}

impl Unsubscribing {
    /// With the installation's key.
    pub(crate) fn new(key: &str) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mac = Hmac::new_from_slice(key.as_bytes()).expect("a key");
        Self { mac }
    }

    /// The link of this person.
    pub(super) fn url(&self, public: &Url, person: Uuid) -> String {
        let mut url = public.join(PATH).unwrap_or_else(|_| public.clone());
        url.query_pairs_mut().append_pair("t", &self.token(person));
        url.into()
    }

    /// The person of a link's token; none if it was not signed here.
    pub(crate) fn person(&self, token: &str) -> Option<Uuid> {
        let (person, signature) = token.split_once('.')?;
        let (person, signature) = (Uuid::try_parse(person).ok()?, hex(signature)?);
        let mut mac = self.mac.clone();
        mac.update(person.as_bytes());
        let is_signed = signature.len() == SIGNATURE && mac.verify_truncated_left(&signature).is_ok();
        is_signed.then_some(person)
    }

    fn token(&self, person: Uuid) -> String {
        let mut mac = self.mac.clone();
        mac.update(person.as_bytes());
        let signature = mac.finalize().into_bytes();
        let signature: String = signature.iter().take(SIGNATURE).map(|byte| format!("{byte:02x}")).collect();
        format!("{}.{signature}", person.simple())
    }
}

/// The bytes of a text of hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high * 16 + low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_valid_for_its_person_and_its_installation_only() {
        let (here, there) = (Unsubscribing::new("one key"), Unsubscribing::new("another key"));
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = here.token(ada);
        assert_eq!(here.person(&token), Some(ada));
        assert_eq!(there.person(&token), None);
        let (_, signature) = token.split_once('.').unwrap();
        assert_eq!(here.person(&format!("{}.{signature}", bob.simple())), None);
        for broken in [
            "",
            ".",
            "x.y",
            token.strip_suffix(|_: char| true).unwrap(),
            &format!("{token}00"),
            &token.replace('.', ""),
        ] {
            assert_eq!(here.person(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_link_is_below_the_public_url() {
        let here = Unsubscribing::new("one key");
        let url = here.url(&Url::parse("https://school.example/plaudit/").unwrap(), Uuid::nil());
        assert!(
            url.starts_with("https://school.example/plaudit/unsubscribe?t=00000000000000000000000000000000."),
            "{url}"
        );
    }
}
