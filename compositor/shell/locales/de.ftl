# Die Worte der Shell auf Deutsch. Was hier fehlt, wird englisch gesagt.
# `_` steht vor dem Buchstaben, der einen Knopf mit Alt drückt.

## Überall

on = Ein
off = Aus
you = Sie
everyone = Alle
agents = Agenten
permissions = Berechtigungen
percent = { $value } %
quoted = „{ $text }“
sure = Sicher? Nochmals drücken
mixed-scripts = Hier sehen Buchstaben mehrerer Schriften gleich aus: die mit einer Nummer sind nicht lateinisch.
agents-not-running = Die Agenten laufen nicht. Sie werden von selbst wieder gestartet.
broker-not-running = Der Vermittler der Berechtigungen läuft nicht.

## Tasten, und was sie tun

key-enter = Eingabe
key-escape = Esc
key-tab = Tab
key-delete = Entf
key-space = Leertaste
key-pages = Bild↑ Bild↓
key-alt-letter = Alt + Buchstabe
does-answer = antworten
does-back = zurück
does-change = ändern
does-choose = wählen
does-close = schließen
does-command = Befehl
does-deny = ablehnen
does-in-time = in der Zeit
does-make = anlegen
does-next = weiter
does-open = öffnen
does-other-page = andere Seite
does-pause = anhalten
does-press = drücken
does-resume = fortfahren
does-take-back = zurücknehmen
does-talk = reden
does-zoom = Zoom

## Datum und Zeit

weekday-short = { $weekday ->
    [1] Mo.
    [2] Di.
    [3] Mi.
    [4] Do.
    [5] Fr.
    [6] Sa.
   *[7] So.
}
weekday-long = { $weekday ->
    [1] Montag
    [2] Dienstag
    [3] Mittwoch
    [4] Donnerstag
    [5] Freitag
    [6] Samstag
   *[7] Sonntag
}
month-short = { $month ->
    [1] Jan.
    [2] Feb.
    [3] März
    [4] Apr.
    [5] Mai
    [6] Juni
    [7] Juli
    [8] Aug.
    [9] Sept.
    [10] Okt.
    [11] Nov.
   *[12] Dez.
}
month-long = { $month ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[12] Dezember
}
day-of-month = { $day }.
date-short = { day-of-month } { month-short }
date-short-year = { day-of-month } { month-short } { $year }
date-short-weekday = { weekday-short } { day-of-month } { month-short }
date-long = { weekday-long }, { day-of-month } { month-long }
time-minutes = { $hour }:{ $minute }
time-seconds = { $hour }:{ $minute }:{ $second }
duration-seconds = { $seconds } s
duration-minutes = { $minutes } min { $seconds } s

## Leiste und Symbole von Programmen

panel-paused = angehalten
panel-shares = { $count ->
    [one] Aufnahme
   *[other] { $count } Aufnahmen
}
agent-state = { $state ->
    [starting] startet
    [thinking] denkt nach
    [acting] arbeitet
    [waiting] wartet auf Sie
    [failed] gescheitert
    [stopped] gestoppt
   *[other] bereit
}
tray-back = Zurück
tray-nothing = Hier ist nichts
problem-tray = { $program } zeigt sein Menü nicht: keine Antwort innerhalb von { $seconds } s
recorded = Der Bildschirm wurde aufgenommen
recorded-broken = Die Aufnahme endete vorzeitig
recorded-left-out = { $count ->
    [one] Ein Bild fehlt: Dieser Rechner war zu langsam.
   *[other] { $count } Bilder fehlen: Dieser Rechner war zu langsam.
}
recorded-lost = Was bis dahin aufgenommen wurde, ist in { $file }.
problem-record = Der Bildschirm kann nicht aufgenommen werden: { $why }

## Schnelleinstellungen

controls-no-sound = Hier gibt es keinen Ton
controls-light-fixed = Helligkeit nicht einstellbar
controls-not-known = Unbekannt
controls-network = Netzwerk
controls-night-light = Nachtlicht
controls-theme = Design
controls-dark = Dunkel
controls-light = Hell
controls-display-fixed = fest
controls-display-silent = kein Ton
controls-no-address = { $link }, keine Adresse
controls-not-connected = Nicht verbunden
problem-colours = Die Farben bleiben, wie sie sind: { $why }
problem-light = Die Helligkeit bleibt, wie sie ist: { $why }
problem-sharing = Die Aufnahme konnte nicht beendet werden: { $why }
problem-network = Das Netzwerk bleibt, wie es ist: { $why }
problem-volume = Die Lautstärke bleibt, wie sie ist: { $why }

## Starter

launcher-search = Anwendungen suchen oder eine Frage stellen
launcher-nothing = Es sind keine Anwendungen installiert
launcher-ask = { $agent } fragen: „{ $question }“
launcher-ask-about = Öffnet den Chat und sendet die Frage

## Chat

chat-not-running = läuft nicht
chat-sends = wird gesendet …
chat-starts = startet …
chat-thinks = denkt nach …
chat-works = arbeitet …
chat-works-at = arbeitet: { $what } …
chat-waits = wartet auf Ihre Erlaubnis
chat-welcome = Wie kann ich helfen?
chat-welcome-about = Alles bleibt auf diesem Rechner. Sie werden gefragt, bevor Privates gelesen oder geändert wird.
chat-message-to = Nachricht an { $agent }

## Ausschaltmenü

power-light-theme = Helles Design
power-dark-theme = Dunkles Design
power-lock = Sperren
power-log-out = Abmelden
power-restart = Neu starten
power-off = Ausschalten
problem-lock = Der Bildschirm kann nicht gesperrt werden: { $why }
problem-log-out = Abmelden ist nicht möglich: { $why }
problem-restart = Neu starten ist nicht möglich: { $why }
problem-power-off = Ausschalten ist nicht möglich: { $why }
problem-sleep = Der Rechner geht nicht in Bereitschaft: { $why }

## Sperrbildschirm

lock-locked = Der Bildschirm ist gesperrt
lock-checking = Wird geprüft …
lock-press-enter = Entsperren mit der Eingabetaste
lock-password = Passwort
lock-wrong = Falsches Passwort
lock-wrong-wait = Falsches Passwort. Noch einmal in { $seconds } s
lock-type-first = Geben Sie zuerst das Passwort ein
lock-too-long = So lang kann ein Passwort nicht sein
lock-broken = Das Passwort kann nicht geprüft werden: { $why }. Die Eingabetaste versucht es erneut
lock-no-answer = PAM hat { $seconds } s lang nicht geantwortet
lock-caps = Die Feststelltaste ist an
lock-and-caps = { $said }. Die Feststelltaste ist an
lock-no-password = Dieses Konto hat kein Passwort

## Anmeldung

greeter-log-in = Anmelden
greeter-other = Jemand anders
greeter-others = Andere Personen
greeter-name = Name des Kontos
greeter-press-enter = Anmelden mit der Eingabetaste
greeter-try-again = Noch einmal mit der Eingabetaste
greeter-starts = Die Sitzung beginnt …
greeter-wrong = Das war nicht richtig
greeter-refused = Anmelden ist nicht möglich: { $why }
greeter-gone = Niemand kann sich anmelden: { $why }. Es beginnt von vorn
greeter-unasked = greetd hat ungefragt etwas gesagt
greeter-and = { $said }. { $told }
greeter-session = Sitzung: { $name }
greeter-contrast = Hoher Kontrast
greeter-sleep = Bereitschaft

## Frage nach Erlaubnis

permission-asks = { $agent } bittet um Erlaubnis
permission-agent = Agent
permission-tool = ·  Werkzeug
permission-may = { $action ->
    [read] Darf lesen
    [write] Darf ändern
    [launch] Darf starten
    [control] Darf steuern
    [network] Darf erreichen
    [message] Darf schreiben an
   *[other] Darf benutzen
}
permission-deny = A_blehnen
permission-never = _Nie
permission-once = _Einmal erlauben
permission-session = Für diese _Sitzung erlauben
permission-always = I_mmer erlauben
permission-deny-all = A_lle ablehnen
permission-more = { $count ->
    [one] Dieser Agent stellt { $count } weitere Frage
   *[other] Dieser Agent stellt { $count } weitere Fragen
}
permission-others = { $count ->
    [one] { $count } Frage eines anderen Agenten wartet
   *[other] { $count } Fragen anderer Agenten warten
}
permission-left = Keine Antwort gilt als Nein: noch { $left }
permission-left-every-time = Wird jedes Mal gefragt.  Keine Antwort gilt als Nein: noch { $left }
answer-lost = Die Antwort kam nicht an: { $why }

## Seite der Berechtigungen

permissions-granted = Erteilt
permissions-done = Was getan wurde
permissions-ahead = Vorab entscheiden
permissions-nothing-granted = Nichts ist erlaubt, und nichts auf Dauer abgelehnt
permissions-nothing-done = Noch hat kein Agent etwas getan
permissions-take-back = Zurücknehmen
permissions-deed = ·  { $outcome }, durch { $by }
permissions-outcome = { $outcome ->
    [ok] gelungen
    [denied] abgelehnt
    [cancelled] abgebrochen
    [begun] begonnen
    [failed] gescheitert
    [invalid] ungültig
    [limited] begrenzt
   *[other] { $outcome }
}
permissions-the-log = Das Protokoll
permissions-nobody = niemand
action = { $action ->
    [read] lesen
    [write] ändern
    [launch] starten
    [control] steuern
    [network] erreichen
    [message] schreiben an
   *[other] { $action }
}
may = { $verdict ->
    [allow] darf { action }
   *[deny] darf nicht { action }
}
lasts-session = bis zum Ende der Sitzung
lasts-always = von nun an
lasts-long = für lange Zeit
lasts-until = bis { $when }
lasts-until-day = bis { $day }, { $time }
ahead-agent = Agent
ahead-may = Darf er
ahead-this = Dies
ahead-for = Für
ahead-session = diese Sitzung
ahead-hour = eine Stunde
ahead-day = einen Tag
ahead-example = { $action ->
    [launch] Eine Anwendung: foot
    [control] Ein Teil der Arbeitsfläche: windows, services, power …
    [network] Ein Rechner oder ein Muster: *.example.org
    [message] Ein Agent: steward
   *[other] Eine Datei oder ein Ordner mit allem darin: ~/Documents
}
ahead-no-agent = Es gibt keinen Agenten
ahead-empty = Sagen Sie, worum es geht: hier steht dann, was jetzt geschähe.
ahead-allow = Erlauben
ahead-refuse = Ablehnen
ahead-goes = geschieht
ahead-refused = wird abgelehnt
ahead-asks = fragt Sie
ahead-asks-always = fragt Sie jedes Mal
no-bus-for-broker = Es gibt keinen Sitzungsbus; die Berechtigungen sind nicht erreichbar.

## Ansicht der Agenten

agents-all = Alle
agents-at-work = arbeitet
agents-attends = Wendet sich zu
agents-back-to-now = Zurück zum Jetzt
agents-count-agents = { $count ->
    [one] { $count } Agent
   *[other] { $count } Agenten
}
agents-count-rooms = { $count ->
    [one] { $count } Raum
   *[other] { $count } Räume
}
agents-count-waiting = { $count ->
    [one] { $count } wartet auf Sie
   *[other] { $count } warten auf Sie
}
agents-events-of = Verlauf · { $who }
agents-familiar = Mit Ihnen vertraut
agents-goals = Ziele
agents-how-to-choose = Wählen Sie einen Agenten oder Raum mit Tab, Pfeiltasten oder Zeiger, um hineinzusehen.
agents-in-it = Darin
agents-lost = Die Agenten laufen nicht
agents-lost-about = Sie werden von selbst wieder gestartet. Was los ist, sagt: argos log --user orchestrator
agents-memory = Arbeitsgedächtnis
agents-messages-to = { $count ->
    [one] { $agent }: { $count } Nachricht
   *[other] { $agent }: { $count } Nachrichten
}
agents-none = Es gibt keine Agenten
agents-none-about = Ein Agent ist ein Ordner mit einer agent.yaml in ~/.local/share/argos/agents.
agents-not-found = Kein Agent oder Raum heißt „{ $name }“.
agents-nothing-chosen = Nichts ist gewählt
agents-nothing-listed = Noch nichts
agents-nothing-yet = Noch ist nichts geschehen
agents-now = Jetzt
agents-owes = Nachricht { $message }, bis { $until }
agents-owes-to = Schuldet eine Antwort auf
agents-pause = Anhalten
agents-plan = Plan
agents-resume = Fortfahren
agents-room-with = { $count ->
    [one] Ein Raum mit einem Agenten
   *[other] Ein Raum mit { $count } Agenten
}
agents-said-lately = Zuletzt gesagt zu
agents-since = seit { $time }
agents-start = Starten
agents-states = Zustände
agents-step = Schritt
agents-stop = Stoppen
agents-stop-all = Alles stoppen
agents-talk = Gespräch
agents-talk-to = Reden
agents-then = Damals
agents-unheard = Die Agenten werden betrachtet …
agents-usage = { $memory } MiB Speicher, { $seconds } s Rechenzeit, { $tasks } Prozesse
agents-uses = Verbraucht
agents-waiting = Wartend
agents-world = Welt
agents-you-about = Der Mensch an diesem Bildschirm
event-answered-nothing = { $agent } hat nichts zu sagen
event-appeared = { $agent } ist da
event-attended = { $agent } wendet sich { $message } zu
event-message = Nachricht { $number }
event-paused = Die Welt steht still
event-resumed = Die Welt geht weiter
event-said = { $from } an { $agent }: { $text }
event-speed = Die Welt läuft mit { $speed }-facher Geschwindigkeit
event-stepped = Ein Schritt
event-stopped-all = Alles ist gestoppt
event-timer = Ein Wecker
event-unanswered = { $agent } lässt { $message } unbeantwortet
command-alone = `{ $verb }` steht allein.
command-find = `find` was? Nennen Sie einen Agenten oder Raum.
command-help = say AGENT TEXT · find NAME · start, stop AGENT · stop all · pause · resume · step · speed N · live · fit
command-no-agent = Es gibt keinen Agenten `{ $name }`.
command-say = `say { $agent }` was?
command-speed = Eine Geschwindigkeit ist eine Zahl von { $slowest } bis { $fastest }; 1 ist wie sonst.
command-unknown = Es gibt keinen Befehl `{ $verb }`. { $help }
command-whom = `{ $verb }` wen? Wählen oder nennen Sie einen Agenten.
order-paused = Kein Agent wendet sich Neuem zu, bis Sie fortfahren.
order-resumed = Die Agenten machen weiter.
order-speed = Die Geschwindigkeit ist { $speed }.
order-started = { $agent } ist gestartet.
order-stepped = Ein Schritt.
order-stopped = { $agent } ist gestoppt.
order-stopped-all = Alles ist gestoppt, und nichts startet, bis Sie fortfahren.
no-bus-for-agents = Es gibt keinen Sitzungsbus; kein Agent ist erreichbar.
no-bus-to-lock = Es gibt keinen Sitzungsbus; von hier kann der Bildschirm nicht gesperrt werden, mit Super+l schon.
no-bus-to-record = Es gibt keinen Sitzungsbus; der Bildschirm kann nicht aufgenommen werden.

## Dateidialog

cancel = Abbrechen
open = Öffnen
save = Speichern
place-home = Persönlich
place-computer = Rechner
size = { $value } { $thousands ->
    [0] B
    [1] kB
    [2] MB
    [3] GB
    [4] TB
    [5] PB
   *[6] EB
}
modified-today = Heute { $time }
modified-yesterday = Gestern { $time }
modified-this-year = { $date } { $time }
chooser-title-folder = Einen Ordner wählen
chooser-title-files = Dateien speichern
chooser-choose-folder = Ordner wählen
chooser-save-here = Hier speichern
chooser-saves = { $count ->
    [one] { $count } Datei kommt in den Ordner, den Sie wählen; keine wird ersetzt.
   *[other] { $count } Dateien kommen in den Ordner, den Sie wählen; keine wird ersetzt.
}
chooser-path = Ein Pfad wie /home oder ~/Dokumente
chooser-name = Name
chooser-size = Größe
chooser-modified = Geändert
chooser-name-of-file = Name der Datei
chooser-reading = Wird gelesen …
chooser-no-folders = Hier sind keine Ordner.
chooser-none-of-kind = Hier sind keine Dateien dieser Art.
chooser-only-hidden = Hier sind nur versteckte Dateien.
chooser-empty = Dieser Ordner ist leer.
chooser-try-again = Nochmals versuchen
chooser-left-out = { $count ->
    [one] { $count } weitere wird nicht gezeigt; ein getippter Pfad führt hin.
   *[other] { $count } weitere werden nicht gezeigt; ein getippter Pfad führt hin.
}
chooser-chosen = { $count } gewählt
chooser-options = { $shown } von { $count }; die Pfeiltasten zeigen die anderen
chooser-new-folder = Neuer Ordner
chooser-folder-name = Sein Name
chooser-folder-long = Der Name ist zu lang.
chooser-folder-wrong = Geben Sie einen Namen ein; er darf kein „/“ enthalten.
chooser-replace = Die Datei ersetzen?
chooser-replace-about = In „{ $folder }“ gibt es „{ $name }“ bereits. Der Inhalt geht verloren.
chooser-replace-no = Behalten
chooser-replace-yes = Ersetzen
chooser-no-name = Geben Sie der Datei einen Namen.
chooser-no-file-name = So kann keine Datei heißen; geben Sie den Namen einer Datei ein.
chooser-long = Der Name ist zu lang: Er hat { $bytes } von { $most } Bytes.
chooser-no-folder = Es gibt keinen Ordner „{ $folder }“.
chooser-no-such = „{ $path }“ gibt es nicht.
chooser-no-replacing = „{ $name }“ gibt es bereits, und Sie dürfen es nicht ersetzen.
chooser-no-writing = Sie dürfen in „{ $folder }“ keine Datei ablegen.
chooser-no-making = Sie dürfen hier keinen Ordner anlegen.
chooser-denied = Sie dürfen „{ $name }“ nicht öffnen.
chooser-gone = „{ $name }“ ist nicht mehr da.
chooser-not-a-folder = „{ $name }“ ist kein Ordner.
chooser-exists = „{ $name }“ gibt es bereits.
chooser-read-only = „{ $name }“ lässt sich nicht anlegen: Dieser Datenträger kann nur gelesen werden.
chooser-disk-full = „{ $name }“ lässt sich nicht anlegen: Der Datenträger ist voll.
chooser-unreadable = „{ $name }“ lässt sich nicht öffnen: { $why }.

## Andere Fragen von Programmen

access-title = Ein Programm fragt
access-allow = Erlauben
access-deny = Ablehnen
consent-nameless = ein Programm ohne Namen
consent-pixels = { $width } × { $height } Pixel
screenshot-title = Bild des Bildschirms
screenshot-asks = Dem Programm dieses Bild des Bildschirms geben?
screenshot-about = Es wird auch in Ihrem Ordner für Bilder aufbewahrt.
screenshot-yes = Geben
screenshot-no = Nicht geben
pick-title = Eine Farbe wählen
share-title = Bildschirm aufnehmen
share-asks = Was darf das Programm aufnehmen?
share-about = Es sieht, was dort gezeigt wird und was Sie dort tun, bis es endet oder Sie das rote Zeichen auf der Leiste drücken.
share-screen = { $width } × { $height } Pixel
share-window = Fenster von { $app }
share-nothing = Es gibt nichts, das aufgenommen werden könnte.
share-remember = Bei diesem Programm nicht wieder fragen
share-yes = Aufnehmen
share-no = Nicht aufnehmen
open-with = Öffnen mit
open-with-what = „{ $what }“ öffnen mit
open-with-nothing = Keine installierte Anwendung öffnet dies.

## Die Shell selbst

shell-problem = Das ging nicht
shell-theme-not-changed = Das Design wurde nicht geändert
part-mistake = Ein Fehler im Teil „{ $part }“
part-mistake-meanwhile = Was schon lief, läuft weiter, bis das behoben ist.
part-given-up = Der Teil „{ $part }“ endet immer wieder
part-given-up-why = Er endete innerhalb einer Minute { $count }-mal ({ $why }) und wird nicht wieder gestartet. Was er ausgab: { $log }
part-refused = Der Teil „{ $part }“ kann nicht gestartet werden
settings-no-thread = Es gibt keinen Thread, der Einstellungen schreibt; das Protokoll sagt, warum.

## Einstellungen

settings = Einstellungen
settings-about = Alles, was sich einstellen lässt, Seite für Seite
settings-page-about = Einstellungen: { $about }
controls-settings = Alle Einstellungen
settings-search = Einstellungen suchen
settings-search-choices = In dieser Liste suchen
settings-found = Gefunden
settings-count = { $count ->
    [one] { $count } Einstellung
   *[other] { $count } Einstellungen
}
settings-nothing-found = Nichts heißt so
settings-nothing-known = Hier ist noch nichts bekannt
settings-open = Öffnen
settings-broken = Diese Einstellungen lassen sich erst ändern, wenn ihre Datei berichtigt ist: { $why }
settings-not-kept = Nicht geändert: { $why }
settings-not-kept-title = Eine Einstellung wurde nicht behalten
page-appearance = Erscheinungsbild
page-appearance-about = Design, Akzent, Textgröße, Hintergrund
page-windows = Fenster
page-windows-about = Arbeitsflächen, Kacheln, Bildschirmränder
page-displays = Bildschirme
page-displays-about = Auflösung, Skalierung, Ausrichtung, Nachtlicht
page-input = Tastatur und Zeiger
page-input-about = Belegung, Wiederholung, Maus, Touchpad
page-accessibility = Barrierefreiheit
page-accessibility-about = Kontrast, Bewegung, Lupe, Tasten
page-power = Energie und Sperre
page-power-about = Sperren, dunkler Bildschirm, Ruhezustand
page-agents = Agenten
page-agents-about = Was Agenten tun und was sie dürfen
page-language = Sprache
page-language-about = Die Sprache von Leiste, Menüs und Einstellungen
page-about = Über
page-about-about = System, Gerät, Speicher, Modelle
set-theme = Design
set-accent = Akzentfarbe
set-accent-theme = Die des Designs
set-accent-mended = Gezeigt als { $shown }: wie geschrieben wäre sie nicht lesbar.
set-accent-refused = „{ $accent }“ ist keine Farbe; Schreibweise: #2f6fd0.
accent = { $name ->
    [teal] Petrol
    [blue] Blau
    [purple] Violett
    [pink] Rosa
    [orange] Orange
    [yellow] Gelb
    [green] Grün
    [grey] Grau
   *[other] { $name }
}
set-text-size = Textgröße
set-text-size-about = Von allem, was zur Oberfläche gehört
set-wallpaper = Hintergrundbild
set-wallpaper-about = Auch PNG-Bilder in ~/.local/share/argos/wallpapers lassen sich wählen.
set-wallpaper-theme = Das des Designs
wallpaper-tide-day = Gezeiten bei Tag
wallpaper-tide-night = Gezeiten bei Nacht
set-cursor-size = Größe des Zeigers
set-workspaces = Arbeitsflächen
set-tiling = Fenster kacheln
set-tiling-about = Fenster teilen sich eine Arbeitsfläche, statt übereinander zu liegen. Super+t tut das auf einer.
set-tile-gap = Abstand zwischen Kacheln
set-tile-gap-about = Für Arbeitsflächen, die kacheln
set-tile-margin = Abstand zum Bildschirmrand
set-tile-margin-about = Für Arbeitsflächen, die kacheln
set-snap-edges = Am Bildschirmrand einrasten
set-snap-edges-about = Ein dorthin gezogenes Fenster füllt eine Hälfte, ein Viertel oder alles.
set-mode = Auflösung von { $output }
set-mode-own = Wahl des Bildschirms
set-mode-own-is = Wahl des Bildschirms ({ $mode })
set-scale = Skalierung von { $output }
set-transform = Ausrichtung von { $output }
set-transform-about = Wie der Bildschirm hängt
turn-normal = Aufrecht
turn-90 = 90° nach links
turn-180 = Kopfüber
turn-270 = 90° nach rechts
turn-flipped = Gespiegelt
turn-flipped-90 = Gespiegelt, 90° nach links
turn-flipped-180 = Gespiegelt, kopfüber
turn-flipped-270 = Gespiegelt, 90° nach rechts
set-place = Platz von { $output }
set-place-about = Wohin der Zeiger von Bildschirm zu Bildschirm geht
set-place-automatic = Automatisch
side = { $side ->
    [left-of] Links von { $output }
    [right-of] Rechts von { $output }
    [above] Über { $output }
   *[below] Unter { $output }
}
trial-question = Diesen Bildschirm behalten?
trial-left = { $seconds ->
    [one] In { $seconds } Sekunde ist er wieder wie zuvor.
   *[other] In { $seconds } Sekunden ist er wieder wie zuvor.
}
trial-keep = Behalten
trial-back = Zurücknehmen
trial-no-bus = Der Compositor ist nicht erreichbar.
set-output-mode = { $width } × { $height }, { $hertz } Hz
set-output-turned = { $mode }, gedreht: { $turned }
set-night-light = Nachtlicht
set-night-light-about = Wärmere Farben am Abend
set-night-from = Beginnt um
set-night-to = Endet um
set-night-sun = Die Sonne bestimmt die Zeit: die Datei nennt Breite und Länge.
set-night-temperature = Wärme bei Nacht
set-night-temperature-about = 1700 K sind so warm wie eine Kerze, 6500 K ändern nichts.
set-layout = Tastaturbelegung
set-layout-system = Die des Systems
set-repeat-delay = Verzögerung der Wiederholung
set-repeat-delay-about = Länger für Hände, die spät loslassen
set-repeat-rate = Tempo der Wiederholung
set-tap = Tippen aufs Touchpad klickt
set-natural-scroll = Natürliches Rollen
set-natural-scroll-about = Der Inhalt bewegt sich mit den Fingern.
set-pointer-speed = Tempo des Zeigers
set-high-contrast = Hoher Kontrast
set-high-contrast-about = Ein Design mit schwarzem Grund, weißem Text und klaren Kanten
set-reduced-motion = Weniger Bewegung
set-reduced-motion-about = Dinge sind gleich da, statt sich zu bewegen. Auch Programme erfahren es.
set-sticky-keys = Einrastfunktion
set-sticky-keys-about = Ein Tippen auf Umschalt, Strg, Alt oder Super hält die Taste für die nächste.
set-sticky-shortcut = Fünfmal Umschalt tippen
set-sticky-shortcut-about = Schaltet die Einrastfunktion ein und aus.
set-slow-keys = Langsame Tasten
set-slow-keys-about = Eine Taste zählt, wenn sie so lange gehalten wurde.
set-bounce-keys = Prellende Tasten
set-bounce-keys-about = Eine Taste, die innerhalb dieser Zeit nochmals kommt, zählt nicht.
set-mouse-keys = Tastaturmaus
set-mouse-keys-about = Der Ziffernblock bewegt den Zeiger, solange Num Lock aus ist.
set-magnifier-step = Stufe der Lupe
set-magnifier-step-about = Super mit Plus, Minus und 0 zeigt den Bildschirm größer und kleiner.
set-magnifier-text = Die Lupe folgt dem Tippen
set-magnifier-text-about = Sie geht dorthin, wo Text geschrieben wird.
set-lock-after = Bildschirm sperren nach
set-screen-off-after = Bildschirm dunkel nach
set-suspend-after = Ruhezustand nach
set-idle-about = Ohne dass jemand Tastatur oder Zeiger berührt
set-lock-before-sleep = Vor dem Ruhezustand sperren
set-lock-before-sleep-about = Wer auch immer das Gerät schlafen legt
set-permissions-about = Was Agenten dürfen, was sie taten, und vorab entscheiden
set-agents = Ansicht der Agenten
set-agents-about = Wer da ist, was gesagt wird und was geschieht
set-language = Sprache
set-language-about = Programme wählen ihre nach der Umgebung.
set-language-system = Die des Systems
set-system = System
set-machine = Gerät
set-processor = Prozessor
set-memory = Speicher
set-memory-words = { $all } GiB, davon { $free } GiB frei
set-models = Modelle
set-models-about = Auf diesem Rechner, für die Agenten
set-models-none = Keine
set-model = { $name } ({ $state ->
    [available] verfügbar
    [loading] lädt
    [ready] bereit
    [failed] gescheitert
   *[other] { $state }
})
unit-never = Nie
unit-pixels = { $value } px
unit-milliseconds = { $value } ms
unit-per-second = { $value } / s
unit-kelvins = { $value } K
unit-times = ×{ $value }
unit-seconds = { $count ->
    [one] { $count } Sekunde
   *[other] { $count } Sekunden
}
unit-minutes = { $count ->
    [one] { $count } Minute
   *[other] { $count } Minuten
}
unit-hours = { $count ->
    [one] { $count } Stunde
   *[other] { $count } Stunden
}
