# What people read in mails and on pages, in Italian.

greeting = Ciao { $reader },

award-title = Congratulazioni! Il badge “{ $name }” è tuo!
award-title-of = { $child } ha ottenuto il badge “{ $name }”!
award-why = Perché: { $requirement }
award-bonus = Bonus: +{ $xp }{"\u00A0"}XP
award-note = { $giver } scrive: “{ $note }”
award-picture = Badge “{ $name }”, { $rarity ->
    [common] comune
    [rare] raro
    [epic] epico
   *[legendary] leggendario
}
level-title = Livello { $level } raggiunto!
level-title-of = { $child } ha raggiunto il livello { $level }!
rank-title = Rango “{ $rank }” raggiunto!
rank-title-of = { $child } ha raggiunto il rango “{ $rank }”!
streak-title = { $days ->
    [one] { $days } giorno di fila!
   *[other] { $days } giorni di fila!
}
streak-title-of = { $child }: { $days ->
    [one] { $days } giorno di fila!
   *[other] { $days } giorni di fila!
}
certificate-title = Hai ricevuto il certificato “{ $title }”.
certificate-title-of = { $child } ha ricevuto il certificato “{ $title }”.
certificate-line = Rilasciato da { $issuer } il { $date }. Numero { $number }.

subject-several = { $count ->
    [one] { $count } motivo per festeggiare
   *[other] { $count } motivi per festeggiare
}
intro-digest = Ecco che cosa è successo dall’ultima e-mail.
more = { $count ->
    [one] E un’altra novità.
   *[other] E altre { $count } novità.
}
standing = Ora hai { $xp }{"\u00A0"}XP e sei al livello { $level }.
next-heading = I prossimi traguardi
next-line = { $name }: { $current } di { $target } ({ $percent }%)
button = Guarda i traguardi
footer = Ricevi questa e-mail perché la tua scuola ha il tuo indirizzo per le novità sui traguardi raggiunti.
footer-admin = Ricevi questa e-mail perché sei un amministratore di Plaudit.
unsubscribe = Annulla l’iscrizione

unsubscribe-title = Annulla l’iscrizione
unsubscribe-question = Non vuoi più ricevere e-mail sui traguardi raggiunti?
unsubscribe-button = Sì, annulla l’iscrizione
unsubscribe-done = Iscrizione annullata. Puoi scegliere di nuovo le e-mail nelle impostazioni del tuo account.
unsubscribe-wrong = Questo link è incompleto o non più valido. Apri il link di un’e-mail più recente.
unsubscribe-later = Non ha funzionato. Riprova tra un minuto.

webhook-disabled = Il webhook “{ $description }” è stato disattivato.
webhook-disabled-why = Motivo: { $reason }
webhook-disabled-then = Non riceve più richieste. Ripara il destinatario, riattiva il webhook con updateWebhook e invia di nuovo ciò che ha perso con redeliverWebhook.

subject-week = La settimana dei tuoi figli
week-xp = { $xp }{"\u00A0"}XP questa settimana
week-awards = { $awards ->
    [0] Nessun nuovo badge
    [one] { $awards } nuovo badge
   *[other] { $awards } nuovi badge
}
week-streak = { $days ->
    [0] Nessuna serie in corso
    [one] { $days } giorno di fila
   *[other] { $days } giorni di fila
}
streak-ends = La tua serie di { $days } giorni finisce stasera
streak-ends-then = Impara qualcosa oggi, e continua.
