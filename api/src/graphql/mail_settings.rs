//! `updateMe` and `mailSettings`: what people choose for themselves.

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, SimpleObject};

use super::context::{actor, app, request_context};
use super::fault::{Answer, UserError, user_error};
use super::people::User;
use crate::auth::policy::{self, Action};
use crate::registry::mail_settings::{self as registry, Change, Quiet};
use crate::store::mail_settings::{Mode, Row};

/// When a person gets news by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Mode")]
pub(crate) enum MailMode {
    /// At once: one mail for each cause, at most 10 within 24 hours. Further news waits for the daily mail.
    Each,
    /// One mail a day, at `digestHour`.
    Daily,
    /// No mails.
    None,
}

/// The mails that a person gets about achievements. They get mails only if an email address is stored.
#[derive(SimpleObject)]
pub(crate) struct MailSettings {
    /// When news is sent. Default: EACH.
    mode: MailMode,
    /// The local hour of the daily mail, 0 to 23. Default: 17.
    digest_hour: i16,
    /// The hours in which no mail is sent. Null: none.
    quiet_hours: Option<QuietHours>,
    /// Whether a guardian gets copies of the news of linked children. Default: false.
    copies_of_children: bool,
    /// Whether a guardian gets a summary of the week of linked children, on Sunday at 17:00. Default: false.
    weekly_summary: bool,
    /// Whether to be reminded at 18:00 of a streak that ends tonight. Default: false.
    streak_reminder: bool,
}

/// Local hours in which no mail is sent. What happens meanwhile is one mail at the end.
#[derive(SimpleObject)]
pub(crate) struct QuietHours {
    /// The first quiet hour, 0 to 23.
    from: i16,
    /// The hour at which mails go out again, 0 to 23. A span may cross midnight.
    until: i16,
}

/// The local hours in which no mail is sent.
#[derive(InputObject)]
pub(crate) struct QuietHoursInput {
    /// The first quiet hour, 0 to 23.
    from: i32,
    /// The hour at which mails go out again, 0 to 23, other than `from`.
    until: i32,
}

/// The new mail settings. Omitted fields keep their value.
#[derive(InputObject)]
pub(crate) struct MailSettingsInput {
    /// When news is sent.
    mode: Option<MailMode>,
    /// The local hour of the daily mail, 0 to 23.
    digest_hour: Option<i32>,
    /// The hours in which no mail is sent; null for none.
    quiet_hours: MaybeUndefined<QuietHoursInput>,
    /// Whether a guardian gets copies of the news of linked children.
    copies_of_children: Option<bool>,
    /// Whether a guardian gets a summary of the week of linked children.
    weekly_summary: Option<bool>,
    /// Whether to be reminded of a streak that ends tonight.
    streak_reminder: Option<bool>,
}

/// What the caller chooses for themselves. Omitted fields keep their value.
#[derive(InputObject)]
pub(crate) struct UpdateMeInput {
    /// The language of mails as a tag, such as pt-BR; null for the school's language. Languages without translations
    /// get the school's language.
    locale: MaybeUndefined<String>,
    /// Whether leaderboards rank the caller. What the caller earns does not depend on it.
    on_leaderboards: Option<bool>,
    /// The mails to get.
    mail: Option<MailSettingsInput>,
}

/// The result of `updateMe`.
#[derive(SimpleObject)]
pub(crate) struct UpdateMePayload {
    /// The caller after the change. Null on error.
    user: Option<User>,
    /// The mail settings after the change. Null on error.
    mail_settings: Option<MailSettings>,
    /// Errors in the input. Empty on success.
    user_errors: Vec<UserError>,
}

impl From<Row> for MailSettings {
    fn from(row: Row) -> Self {
        let quiet = row.quiet_from.zip(row.quiet_until);
        Self {
            mode: row.mode.into(),
            digest_hour: row.digest_hour,
            quiet_hours: quiet.map(|(from, until)| QuietHours { from, until }),
            copies_of_children: row.copies,
            weekly_summary: row.weekly_summary,
            streak_reminder: row.streak_reminder,
        }
    }
}

/// The caller's mail settings.
pub(crate) async fn own(ctx: &Context<'_>) -> Answer<MailSettings> {
    let actor = actor(ctx)?;
    policy::reach(actor, Action::ChooseMails)?;
    Ok(registry::of(app(ctx)?, actor).await?.into())
}

/// Changes what the caller has chosen.
pub(crate) async fn update(ctx: &Context<'_>, input: UpdateMeInput) -> Answer<UpdateMePayload> {
    let request = request_context(ctx)?;
    policy::reach(&request.actor, Action::ChooseMails)?;
    let mail = input.mail.unwrap_or(MailSettingsInput {
        mode: None,
        digest_hour: None,
        quiet_hours: MaybeUndefined::Undefined,
        copies_of_children: None,
        weekly_summary: None,
        streak_reminder: None,
    });
    let quiet = mail.quiet_hours.as_opt_ref();
    let change = Change {
        locale: input.locale.as_opt_ref().map(|locale| locale.cloned()),
        ranked: input.on_leaderboards,
        mode: mail.mode.map(Into::into),
        digest_hour: mail.digest_hour,
        quiet: quiet.map(|hours| hours.map(|hours| Quiet { from: hours.from, until: hours.until })),
        copies: mail.copies_of_children,
        weekly_summary: mail.weekly_summary,
        streak_reminder: mail.streak_reminder,
    };
    Ok(match registry::update(app(ctx)?, &request, change).await {
        Ok((person, settings)) => UpdateMePayload {
            user: Some(User::new(person)),
            mail_settings: Some(settings.into()),
            user_errors: Vec::new(),
        },
        Err(failure) => UpdateMePayload {
            user: None,
            mail_settings: None,
            user_errors: vec![user_error(failure, &["input"])?],
        },
    })
}
