# What people read in mails and on pages, in Arabic.

greeting = مرحبًا { $reader }،

award-title = تهانينا! حصلت على شارة «{ $name }»!
award-title-of = { $child }: شارة جديدة «{ $name }»
award-why = السبب: { $requirement }
award-bonus = مكافأة: {"\u2068"}+{ $xp }{"\u00A0"}XP{"\u2069"}
award-note = كتب { $giver }: «{ $note }»
award-picture = شارة «{ $name }»، { $rarity ->
    [common] عادية
    [rare] نادرة
    [epic] مميزة
   *[legendary] أسطورية
}
level-title = وصلت إلى المستوى { $level }!
level-title-of = { $child }: المستوى { $level }
rank-title = وصلت إلى رتبة «{ $rank }»!
rank-title-of = { $child }: رتبة جديدة «{ $rank }»
streak-title = { $days ->
    [one] يوم واحد!
    [two] يومان متتاليان!
    [few] { $days } أيام متتالية!
    [many] { $days } يومًا متتاليًا!
   *[other] { $days } يوم متتالٍ!
}
streak-title-of = { $child }: { $days ->
    [one] يوم واحد!
    [two] يومان متتاليان!
    [few] { $days } أيام متتالية!
    [many] { $days } يومًا متتاليًا!
   *[other] { $days } يوم متتالٍ!
}
certificate-title = حصلت على شهادة «{ $title }».
certificate-title-of = { $child }: شهادة جديدة «{ $title }»
certificate-line = أصدرها { $issuer } بتاريخ { $date }. الرقم { $number }.

subject-several = { $count ->
    [one] سبب واحد للاحتفال
    [two] سببان للاحتفال
    [few] { $count } أسباب للاحتفال
    [many] { $count } سببًا للاحتفال
   *[other] { $count } سبب للاحتفال
}
intro-digest = هذا ما حدث منذ الرسالة الأخيرة.
more = { $count ->
    [one] وخبر آخر.
    [two] وخبران آخران.
    [few] و{ $count } أخبار أخرى.
    [many] و{ $count } خبرًا آخر.
   *[other] و{ $count } خبر آخر.
}
standing = لديك الآن {"\u2068"}{ $xp }{"\u00A0"}XP{"\u2069"} وأنت في المستوى { $level }.
next-heading = ما القادم
next-line = { $name }: { $current } من { $target } ({"\u2068"}{ $percent }%{"\u2069"})
button = عرض الإنجازات
footer = تصلك هذه الرسالة لأن مدرستك تحتفظ بعنوانك لإرسال أخبار الإنجازات.
footer-admin = تصلك هذه الرسالة لأنك من مسؤولي Plaudit.
unsubscribe = إلغاء الاشتراك

unsubscribe-title = إلغاء الاشتراك
unsubscribe-question = هل تريد إيقاف الرسائل عن الإنجازات؟
unsubscribe-button = نعم، ألغِ الاشتراك
unsubscribe-done = أُلغي اشتراكك. يمكنك اختيار الرسائل من جديد في إعدادات حسابك.
unsubscribe-wrong = هذا الرابط غير مكتمل أو لم يعد صالحًا. افتح الرابط في رسالة أحدث.
unsubscribe-later = لم ينجح ذلك. حاول مرة أخرى بعد دقيقة.

webhook-disabled = عُطِّل خطاف الويب «{ $description }».
webhook-disabled-why = السبب: { $reason }
webhook-disabled-then = لا تصله طلبات أخرى. أصلح المستقبِل، ثم فعّله من جديد بواسطة updateWebhook، وأرسل ما فاته بواسطة redeliverWebhook.

subject-week = أسبوع أبنائك
week-xp = {"\u2068"}{ $xp }{"\u00A0"}XP{"\u2069"} هذا الأسبوع
week-awards = { $awards ->
    [0] لا شارات جديدة
    [one] شارة جديدة واحدة
    [two] شارتان جديدتان
    [few] { $awards } شارات جديدة
   *[other] { $awards } شارة جديدة
}
week-streak = { $days ->
    [0] لا سلسلة حاليًا
    [one] يوم واحد
    [two] يومان متتاليان
    [few] { $days } أيام متتالية
   *[other] { $days } يومًا متتاليًا
}
streak-ends = تنتهي الليلة سلسلتك من { $days ->
    [few] { $days } أيام
   *[other] { $days } يومًا
}
streak-ends-then = تعلّم شيئًا اليوم لتستمر.
