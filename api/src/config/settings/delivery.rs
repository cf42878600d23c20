//! The settings of deliveries: mails and webhooks.

use std::time::Duration;

use super::{Raw, Setting, path, text};
use crate::config::values::{read_networks, read_truth};
use crate::config::{Config, mail};

/// The settings, in the order in which they are applied.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "worker",
        set: |config, raw| {
            config.worker = read_truth(raw.text()?)?;
            Ok(())
        },
        get: |config| text(config.worker),
    },
    Setting {
        key: "ca_file",
        set: |config, raw| {
            config.ca_file = Some(raw.text()?.into());
            Ok(())
        },
        get: |config| path(config.ca_file.as_ref()),
    },
    Setting {
        key: "webhooks.allowed_networks",
        set: |config, raw| {
            config.webhook_networks = read_networks(&raw.list())?;
            Ok(())
        },
        get: |config| {
            let is_usual = config.webhook_networks == Config::demo().webhook_networks;
            if is_usual {
                text("")
            } else {
                Raw::List(config.webhook_networks.iter().map(ToString::to_string).collect())
            }
        },
    },
    Setting {
        key: "mail.url",
        set: |config, raw| {
            config.mail.target = match raw.text()? {
                "none" => None,
                text => Some(mail::read_target(text)?),
            };
            Ok(())
        },
        get: |config| {
            let is_usual = config.mail.target == Config::demo().mail.target;
            text(if is_usual { String::new() } else { mail::written(config.mail.target.as_ref()) })
        },
    },
    Setting {
        key: "mail.from",
        set: |config, raw| {
            config.mail.from = mail::read_from(raw.text()?)?;
            Ok(())
        },
        get: |config| text(&config.mail.from),
    },
    Setting {
        key: "mail.link",
        set: |config, raw| {
            config.mail.link = Some(mail::read_link(raw.text()?)?);
            Ok(())
        },
        get: |config| config.mail.link.as_ref().map_or_else(|| text(""), text),
    },
    Setting {
        key: "mail.language",
        set: |config, raw| {
            config.mail.language = mail::read_language(raw.text()?)?;
            Ok(())
        },
        get: |config| text(&config.mail.language),
    },
    Setting {
        key: "mail.timeout_seconds",
        set: |config, raw| {
            let wrong = || "must be a whole number from 1 to 300.".to_owned();
            let seconds = raw.text()?.parse().map_err(|_| wrong())?;
            config.mail.timeout =
                Some(seconds).filter(|s| (1..=300).contains(s)).map(Duration::from_secs).ok_or_else(wrong)?;
            Ok(())
        },
        get: |config| text(config.mail.timeout.as_secs()),
    },
    number!("mail.connections", mail.connections, 1..=32),
    number!("mail.per_day", mail.per_day, 0..=1_000),
];
