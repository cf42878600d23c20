# What people read in mails and on pages, in English. `of` means: about a child of the reader.

greeting = Hello { $reader },

award-title = Congratulations! You earned the “{ $name }” badge!
award-title-of = { $child } earned the “{ $name }” badge!
award-why = Why: { $requirement }
award-bonus = Bonus: +{ $xp }{"\u00A0"}XP
award-note = { $giver } writes: “{ $note }”
award-picture = Badge “{ $name }”, { $rarity ->
    [common] common
    [rare] rare
    [epic] epic
   *[legendary] legendary
}
level-title = You reached level { $level }!
level-title-of = { $child } reached level { $level }!
rank-title = You reached the rank “{ $rank }”!
rank-title-of = { $child } reached the rank “{ $rank }”!
streak-title = { $days ->
    [one] { $days } day in a row!
   *[other] { $days } days in a row!
}
streak-title-of = { $child }: { $days ->
    [one] { $days } day in a row!
   *[other] { $days } days in a row!
}
certificate-title = You received the certificate “{ $title }”.
certificate-title-of = { $child } received the certificate “{ $title }”.
certificate-line = Issued by { $issuer } on { $date }. Number { $number }.

subject-several = { $count ->
    [one] { $count } reason to celebrate
   *[other] { $count } reasons to celebrate
}
intro-digest = Here is what happened since the last mail.
more = { $count ->
    [one] And { $count } more.
   *[other] And { $count } more.
}
standing = You now have { $xp }{"\u00A0"}XP and are at level { $level }.
next-heading = What comes next
next-line = { $name }: { $current } of { $target } ({ $percent }%)
button = See the achievements
footer = You get this mail because your school stores your address for news about achievements.
footer-admin = You get this mail because you are an admin of Plaudit.
unsubscribe = Unsubscribe

unsubscribe-title = Unsubscribe
unsubscribe-question = Stop mails about achievements?
unsubscribe-button = Stop mails
unsubscribe-done = You are unsubscribed. You can choose mails again in the settings of your account.
unsubscribe-wrong = This link is not complete or no longer valid. Open the link of a newer mail.
unsubscribe-later = That did not work. Try again in a minute.

webhook-disabled = The webhook “{ $description }” was disabled.
webhook-disabled-why = Reason: { $reason }
webhook-disabled-then = It gets no more requests. Fix the receiver, enable the webhook with updateWebhook, and send what it missed with redeliverWebhook.

subject-week = The week of your children
week-xp = { $xp }{"\u00A0"}XP this week
week-awards = { $awards ->
    [0] No new badge
    [one] { $awards } new badge
   *[other] { $awards } new badges
}
week-streak = { $days ->
    [0] No streak now
    [one] { $days } day in a row
   *[other] { $days } days in a row
}
streak-ends = Your streak of { $days } days ends tonight
streak-ends-then = Learn something today, and it goes on.
