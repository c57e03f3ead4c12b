# Les mots du bureau en français. Ce qui manque ici est dit en anglais.
# `_` précède la lettre qui, avec Alt, presse un bouton.

## Partout

on = Activé
off = Désactivé
you = Vous
everyone = Tous
agents = Agents
permissions = Autorisations
percent = { $value } %
quoted = « { $text } »
sure = Sûr ? Pressez encore
mixed-scripts = Des lettres de plusieurs écritures se ressemblent ici : celles suivies d’un numéro ne sont pas latines.
agents-not-running = Les agents ne sont pas en marche. Ils redémarrent d’eux-mêmes.
broker-not-running = Le service des autorisations n’est pas en marche.

## Touches, et ce qu’elles font

key-enter = Entrée
key-escape = Échap
key-tab = Tab
key-delete = Suppr
key-space = Espace
key-pages = Pg préc Pg suiv
key-alt-letter = Alt + lettre
does-answer = répondre
does-back = retour
does-change = changer
does-choose = choisir
does-close = fermer
does-command = commande
does-deny = refuser
does-in-time = dans le temps
does-make = créer
does-next = suivant
does-open = ouvrir
does-other-page = autre page
does-pause = suspendre
does-press = presser
does-resume = reprendre
does-take-back = retirer
does-talk = parler
does-zoom = zoom

## Dates et heures

weekday-short = { $weekday ->
    [1] lun.
    [2] mar.
    [3] mer.
    [4] jeu.
    [5] ven.
    [6] sam.
   *[7] dim.
}
weekday-long = { $weekday ->
    [1] lundi
    [2] mardi
    [3] mercredi
    [4] jeudi
    [5] vendredi
    [6] samedi
   *[7] dimanche
}
month-short = { $month ->
    [1] janv.
    [2] févr.
    [3] mars
    [4] avr.
    [5] mai
    [6] juin
    [7] juil.
    [8] août
    [9] sept.
    [10] oct.
    [11] nov.
   *[12] déc.
}
month-long = { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
}
day-of-month = { $day ->
    [1] 1er
   *[other] { $day }
}
date-short = { day-of-month } { month-short }
date-short-year = { day-of-month } { month-short } { $year }
date-short-weekday = { weekday-short } { day-of-month } { month-short }
date-long = { weekday-long } { day-of-month } { month-long }
time-minutes = { $hour }:{ $minute }
time-seconds = { $hour }:{ $minute }:{ $second }
duration-seconds = { $seconds } s
duration-minutes = { $minutes } min { $seconds } s

## Barre et icônes des programmes

panel-paused = suspendu
panel-shares = { $count ->
    [one] enregistrement
   *[other] { $count } enregistrements
}
agent-state = { $state ->
    [starting] démarre
    [thinking] réfléchit
    [acting] travaille
    [waiting] vous attend
    [failed] en échec
    [stopped] arrêté
   *[other] prêt
}
tray-back = Retour
tray-nothing = Rien ici
problem-tray = { $program } ne montre pas son menu : pas de réponse en { $seconds } s
recorded = L’écran a été enregistré
recorded-broken = L’enregistrement s’est terminé trop tôt
recorded-left-out = { $count ->
    [one] Une image a été omise : cette machine était trop lente.
   *[other] { $count } images ont été omises : cette machine était trop lente.
}
recorded-lost = Ce qui a été enregistré jusque-là est dans { $file }.
problem-record = Impossible d’enregistrer l’écran : { $why }

## Réglages rapides

controls-no-sound = Rien ici ne produit de son
controls-light-fixed = Luminosité non réglable
controls-not-known = Inconnu
controls-network = Réseau
controls-night-light = Éclairage nocturne
controls-theme = Thème
controls-dark = Sombre
controls-light = Clair
controls-display-fixed = fixe
controls-display-silent = pas de son
controls-no-address = { $link }, sans adresse
controls-not-connected = Non connecté
problem-colours = Les couleurs restent telles quelles : { $why }
problem-light = La luminosité reste telle quelle : { $why }
problem-sharing = L’enregistrement n’a pas pu être arrêté : { $why }
problem-network = Le réseau reste tel quel : { $why }
problem-volume = Le volume reste tel quel : { $why }

## Lanceur

launcher-search = Chercher une application ou poser une question
launcher-nothing = Aucune application n’est installée
launcher-ask = Demander à { $agent } : « { $question } »
launcher-ask-about = Ouvre la conversation et l’envoie

## Conversation

chat-not-running = pas en marche
chat-sends = envoi …
chat-starts = démarre …
chat-thinks = réfléchit …
chat-works = travaille …
chat-works-at = travaille : { $what } …
chat-waits = attend votre autorisation
chat-welcome = Comment puis-je aider ?
chat-welcome-about = Tout reste sur cette machine. On vous demande avant de lire ou de modifier quoi que ce soit de privé.
chat-message-to = Message à { $agent }

## Menu d’arrêt

power-light-theme = Thème clair
power-dark-theme = Thème sombre
power-lock = Verrouiller
power-log-out = Se déconnecter
power-restart = Redémarrer
power-off = Éteindre
problem-lock = Impossible de verrouiller l’écran : { $why }
problem-log-out = Impossible de se déconnecter : { $why }
problem-restart = Impossible de redémarrer : { $why }
problem-power-off = Impossible d’éteindre : { $why }
problem-sleep = Impossible de mettre en veille : { $why }

## Écran verrouillé

lock-locked = L’écran est verrouillé
lock-checking = Vérification …
lock-press-enter = Pressez Entrée pour déverrouiller
lock-password = Mot de passe
lock-wrong = Mot de passe incorrect
lock-wrong-wait = Mot de passe incorrect. Nouvel essai dans { $seconds } s
lock-type-first = Tapez d’abord le mot de passe
lock-too-long = C’est plus long qu’un mot de passe ne peut l’être
lock-broken = Impossible de vérifier le mot de passe : { $why }. Entrée essaie encore
lock-no-answer = PAM n’a pas répondu depuis { $seconds } s
lock-caps = Verr. Maj. est activé
lock-and-caps = { $said }. Verr. Maj. est activé
lock-no-password = Ce compte n’a pas de mot de passe

## Connexion

greeter-log-in = Se connecter
greeter-other = Quelqu’un d’autre
greeter-others = Autres personnes
greeter-name = Nom du compte
greeter-press-enter = Pressez Entrée pour vous connecter
greeter-try-again = Pressez Entrée pour réessayer
greeter-starts = La session commence …
greeter-wrong = Ce n’était pas juste
greeter-refused = Impossible de se connecter : { $why }
greeter-gone = Personne ne peut se connecter : { $why }. Tout recommence
greeter-unasked = greetd a dit ce qu’on ne lui demandait pas
greeter-and = { $said }. { $told }
greeter-session = Session : { $name }
greeter-contrast = Contraste élevé
greeter-sleep = Mettre en veille

## Demande d’autorisation

permission-asks = { $agent } demande une autorisation
permission-agent = agent
permission-tool = ·  outil
permission-may = { $action ->
    [read] Peut lire
    [write] Peut modifier
    [launch] Peut lancer
    [control] Peut piloter
    [network] Peut joindre
    [message] Peut écrire à
   *[other] Peut utiliser
}
permission-deny = _Refuser
permission-never = _Jamais
permission-once = Autoriser _une fois
permission-session = Autoriser pour cette _session
permission-always = _Toujours autoriser
permission-deny-all = T_out refuser
permission-more = { $count ->
    [one] Cet agent pose encore { $count } question
   *[other] Cet agent pose encore { $count } questions
}
permission-others = { $count ->
    [one] { $count } question d’un autre agent attend
   *[other] { $count } questions d’autres agents attendent
}
permission-left = Sans réponse, c’est non : encore { $left }
permission-left-every-time = Demandé à chaque fois.  Sans réponse, c’est non : encore { $left }
answer-lost = La réponse n’est pas parvenue : { $why }

## Page des autorisations

permissions-granted = Accordées
permissions-done = Ce qui a été fait
permissions-ahead = Décider d’avance
permissions-nothing-granted = Rien n’est autorisé, et rien n’est refusé durablement
permissions-nothing-done = Aucun agent n’a encore rien fait
permissions-take-back = Retirer
permissions-deed = ·  { $outcome }, par { $by }
permissions-outcome = { $outcome ->
    [ok] réussi
    [denied] refusé
    [cancelled] annulé
    [begun] commencé
    [failed] échoué
    [invalid] invalide
    [limited] limité
   *[other] { $outcome }
}
permissions-the-log = Le journal
permissions-nobody = personne
action = { $action ->
    [read] lire
    [write] modifier
    [launch] lancer
    [control] piloter
    [network] joindre
    [message] écrire à
   *[other] { $action }
}
may = { $verdict ->
    [allow] peut { action }
   *[deny] ne peut pas { action }
}
lasts-session = jusqu’à la fin de la session
lasts-always = désormais
lasts-long = pour longtemps
lasts-until = jusqu’à { $when }
lasts-until-day = jusqu’au { $day }, { $time }
ahead-agent = Agent
ahead-may = Peut-il
ahead-this = Ceci
ahead-for = Pour
ahead-session = cette session
ahead-hour = une heure
ahead-day = un jour
ahead-example = { $action ->
    [launch] Une application : foot
    [control] Une partie du bureau : windows, services, power …
    [network] Un hôte ou un motif d’hôtes : *.example.org
    [message] Un agent : steward
   *[other] Un fichier, ou un dossier et son contenu : ~/Documents
}
ahead-no-agent = Il n’y a pas d’agent
ahead-empty = Dites de quoi il s’agit : ce qui se passerait maintenant s’affiche ici.
ahead-allow = Autoriser
ahead-refuse = Refuser
ahead-goes = se fait
ahead-refused = est refusé
ahead-asks = vous demande
ahead-asks-always = vous demande chaque fois
no-bus-for-broker = Il n’y a pas de bus de session ; les autorisations sont hors d’atteinte.

## Vue des agents

agents-all = Tout
agents-at-work = au travail
agents-attends = Se tourne vers
agents-back-to-now = Retour au présent
agents-count-agents = { $count ->
    [one] { $count } agent
   *[other] { $count } agents
}
agents-count-rooms = { $count ->
    [one] { $count } pièce
   *[other] { $count } pièces
}
agents-count-waiting = { $count ->
    [one] { $count } vous attend
   *[other] { $count } vous attendent
}
agents-events-of = Événements · { $who }
agents-familiar = Familier avec vous
agents-goals = Buts
agents-how-to-choose = Choisissez un agent ou une pièce avec Tab, les flèches ou le pointeur pour regarder dedans.
agents-in-it = Dedans
agents-lost = Les agents ne sont pas en marche
agents-lost-about = Ils redémarrent d’eux-mêmes. Ce qui se passe : argos log --user orchestrator
agents-memory = Mémoire de travail
agents-messages-to = { $count ->
    [one] { $agent } : { $count } message
   *[other] { $agent } : { $count } messages
}
agents-none = Il n’y a pas d’agents
agents-none-about = Un agent est un dossier avec un agent.yaml dans ~/.local/share/argos/agents.
agents-not-found = Aucun agent, aucune pièce ne s’appelle « { $name } ».
agents-nothing-chosen = Rien n’est choisi
agents-nothing-listed = Rien encore
agents-nothing-yet = Rien ne s’est encore passé
agents-now = Présent
agents-owes = message { $message }, jusqu’à { $until }
agents-owes-to = Doit une réponse à
agents-pause = Suspendre
agents-plan = Plan
agents-resume = Reprendre
agents-room-with = { $count ->
    [one] Une pièce avec un agent
   *[other] Une pièce avec { $count } agents
}
agents-said-lately = Dit récemment à
agents-since = depuis { $time }
agents-start = Démarrer
agents-states = États
agents-step = Un pas
agents-stop = Arrêter
agents-stop-all = Tout arrêter
agents-talk = Paroles
agents-talk-to = Parler
agents-then = Alors
agents-unheard = Observation des agents …
agents-usage = { $memory } Mio de mémoire, { $seconds } s de processeur, { $tasks } tâches
agents-uses = Consomme
agents-waiting = En attente
agents-world = Monde
agents-you-about = La personne devant cet écran
event-answered-nothing = { $agent } n’a rien à dire
event-appeared = { $agent } est là
event-attended = { $agent } se tourne vers { $message }
event-message = message { $number }
event-paused = Le monde s’arrête
event-resumed = Le monde reprend
event-said = { $from } à { $agent } : { $text }
event-speed = Le monde va { $speed } fois sa vitesse
event-stepped = Un pas
event-stopped-all = Tout est arrêté
event-timer = Un minuteur
event-unanswered = { $agent } laisse { $message } sans réponse
command-alone = `{ $verb }` se dit seul.
command-find = `find` quoi ? Nommez un agent ou une pièce.
command-help = say AGENT TEXTE · find NOM · start, stop AGENT · stop all · pause · resume · step · speed N · live · fit
command-no-agent = Il n’y a pas d’agent `{ $name }`.
command-say = `say { $agent }` quoi ?
command-speed = Une vitesse est un nombre de { $slowest } à { $fastest } ; 1 est l’allure habituelle.
command-unknown = Il n’y a pas de commande `{ $verb }`. { $help }
command-whom = `{ $verb }` qui ? Choisissez ou nommez un agent.
order-paused = Aucun agent ne se tourne vers du nouveau avant la reprise.
order-resumed = Les agents continuent.
order-speed = La vitesse est { $speed }.
order-started = { $agent } est démarré.
order-stepped = Un pas.
order-stopped = { $agent } est arrêté.
order-stopped-all = Tout est arrêté, et rien ne démarre avant la reprise.
no-bus-for-agents = Il n’y a pas de bus de session ; aucun agent n’est joignable.
no-bus-to-lock = Il n’y a pas de bus de session ; l’écran ne se verrouille pas d’ici, mais avec Super+l.
no-bus-to-record = Il n’y a pas de bus de session ; l’écran ne peut pas être enregistré.

## Dialogue des fichiers

cancel = Annuler
open = Ouvrir
save = Enregistrer
place-home = Personnel
place-computer = Ordinateur
size = { $value } { $thousands ->
    [0] o
    [1] ko
    [2] Mo
    [3] Go
    [4] To
    [5] Po
   *[6] Eo
}
modified-today = Aujourd’hui { $time }
modified-yesterday = Hier { $time }
modified-this-year = { $date } { $time }
chooser-title-folder = Choisir un dossier
chooser-title-files = Enregistrer des fichiers
chooser-choose-folder = Choisir le dossier
chooser-save-here = Enregistrer ici
chooser-saves = { $count ->
    [one] { $count } fichier ira dans le dossier que vous choisissez ; aucun n’est remplacé.
   *[other] { $count } fichiers iront dans le dossier que vous choisissez ; aucun n’est remplacé.
}
chooser-path = Un chemin, comme /home ou ~/Documents
chooser-name = Nom
chooser-size = Taille
chooser-modified = Modifié
chooser-name-of-file = Nom du fichier
chooser-reading = Lecture…
chooser-no-folders = Il n’y a pas de dossiers ici.
chooser-none-of-kind = Il n’y a pas de fichiers de ce type ici.
chooser-only-hidden = Il n’y a que des fichiers cachés ici.
chooser-empty = Ce dossier est vide.
chooser-try-again = Réessayer
chooser-left-out = { $count ->
    [one] { $count } autre n’est pas montré ; saisissez un chemin pour y accéder.
   *[other] { $count } autres ne sont pas montrés ; saisissez un chemin pour y accéder.
}
chooser-chosen = { $count ->
    [one] { $count } choisi
   *[other] { $count } choisis
}
chooser-options = { $shown } sur { $count } ; les flèches montrent les autres
chooser-new-folder = Nouveau dossier
chooser-folder-name = Son nom
chooser-folder-long = Le nom est trop long.
chooser-folder-wrong = Saisissez un nom, sans « / ».
chooser-replace = Remplacer le fichier ?
chooser-replace-about = Il y a déjà « { $name } » dans « { $folder } ». Son contenu sera perdu.
chooser-replace-no = Garder
chooser-replace-yes = Remplacer
chooser-no-name = Donnez un nom au fichier.
chooser-no-file-name = Aucun fichier ne peut s’appeler ainsi ; saisissez le nom d’un fichier.
chooser-long = Le nom est trop long : il a { $bytes } octets sur { $most }.
chooser-no-folder = Il n’y a pas de dossier « { $folder } ».
chooser-no-such = « { $path } » n’existe pas.
chooser-no-replacing = « { $name } » existe déjà, et vous n’avez pas le droit de le remplacer.
chooser-no-writing = Vous n’avez pas le droit de mettre un fichier dans « { $folder } ».
chooser-no-making = Vous n’avez pas le droit de créer un dossier ici.
chooser-denied = Vous n’avez pas le droit d’ouvrir « { $name } ».
chooser-gone = « { $name } » n’est plus là.
chooser-not-a-folder = « { $name } » n’est pas un dossier.
chooser-exists = « { $name } » existe déjà.
chooser-read-only = « { $name } » ne peut être créé : ce disque est en lecture seule.
chooser-disk-full = « { $name } » ne peut être créé : le disque est plein.
chooser-unreadable = « { $name } » ne peut être ouvert : { $why }.

## Autres questions des programmes

access-title = Un programme demande
access-allow = Autoriser
access-deny = Refuser
consent-nameless = un programme sans nom
consent-pixels = { $width } × { $height } pixels
screenshot-title = Image de l’écran
screenshot-asks = Donner cette image de l’écran au programme ?
screenshot-about = Elle est aussi gardée dans votre dossier d’images.
screenshot-yes = Donner
screenshot-no = Ne pas donner
pick-title = Choisir une couleur
share-title = Enregistrer l’écran
share-asks = Que peut enregistrer le programme ?
share-about = Il voit ce qui s’y affiche et ce que vous y faites, jusqu’à ce qu’il se termine ou que vous appuyiez sur le signe rouge de la barre.
share-screen = { $width } × { $height } pixels
share-window = Fenêtre de { $app }
share-nothing = Il n’y a rien qui puisse être enregistré.
share-remember = Ne plus demander pour ce programme
share-yes = Enregistrer
share-no = Ne pas enregistrer
open-with = Ouvrir avec
open-with-what = Ouvrir « { $what } » avec
open-with-nothing = Aucune application installée n’ouvre ceci.

## Le bureau lui-même

shell-problem = Cela n’a pas marché
shell-theme-not-changed = Le thème n’a pas changé
part-mistake = Une erreur dans l’élément « { $part } »
part-mistake-meanwhile = Ce qui tournait continue jusqu’à ce que ce soit corrigé.
part-given-up = L’élément « { $part } » s’arrête sans cesse
part-given-up-why = Il s’est arrêté { $count } fois en une minute ({ $why }) et n’est plus relancé. Ce qu’il a écrit : { $log }
part-refused = L’élément « { $part } » ne peut pas être lancé
settings-no-thread = Aucun fil d’exécution ne peut écrire les réglages ; le journal dit pourquoi.

## Réglages

settings = Réglages
settings-about = Tout ce qui se règle, page par page
settings-page-about = Réglages : { $about }
controls-settings = Tous les réglages
settings-search = Chercher un réglage
settings-search-choices = Chercher dans cette liste
settings-found = Trouvés
settings-count = { $count ->
    [one] { $count } réglage
   *[other] { $count } réglages
}
settings-nothing-found = Rien ne porte ce nom
settings-nothing-known = On ne sait encore rien ici
settings-open = Ouvrir
settings-broken = Ces réglages ne changent qu’une fois leur fichier corrigé : { $why }
settings-not-kept = Pas changé : { $why }
settings-not-kept-title = Un réglage n’a pas été gardé
page-appearance = Apparence
page-appearance-about = Thème, accent, taille du texte, fond
page-windows = Fenêtres
page-windows-about = Espaces de travail, mosaïque, bords de l’écran
page-displays = Écrans
page-displays-about = Résolution, échelle, orientation, nuit
page-input = Clavier et pointeur
page-input-about = Disposition, répétition, souris, pavé tactile
page-accessibility = Accessibilité
page-accessibility-about = Contraste, mouvement, loupe, touches
page-power = Énergie et verrou
page-power-about = Verrouillage, écran éteint, veille
page-agents = Agents
page-agents-about = Ce que font les agents, et ce qu’ils peuvent
page-language = Langue
page-language-about = La langue de la barre, des menus et des réglages
page-about = À propos
page-about-about = Système, machine, mémoire, modèles
set-theme = Thème
set-accent = Couleur d’accent
set-accent-theme = Celle du thème
set-accent-mended = Affichée comme { $shown } : telle quelle, elle serait illisible.
set-accent-refused = « { $accent } » n’est pas une couleur ; écrivez #2f6fd0.
accent = { $name ->
    [teal] Sarcelle
    [blue] Bleu
    [purple] Violet
    [pink] Rose
    [orange] Orange
    [yellow] Jaune
    [green] Vert
    [grey] Gris
   *[other] { $name }
}
set-text-size = Taille du texte
set-text-size-about = De tout ce qui appartient au bureau
set-wallpaper = Fond d’écran
set-wallpaper-about = Les images PNG de ~/.local/share/argos/wallpapers se choisissent aussi.
set-wallpaper-theme = Celui du thème
wallpaper-tide-day = Marée de jour
wallpaper-tide-night = Marée de nuit
set-cursor-size = Taille du pointeur
set-workspaces = Espaces de travail
set-tiling = Fenêtres en mosaïque
set-tiling-about = Les fenêtres se partagent l’espace au lieu de se recouvrir. Super+t le fait pour un seul.
set-tile-gap = Écart entre les fenêtres
set-tile-gap-about = Pour les espaces en mosaïque
set-tile-margin = Écart aux bords de l’écran
set-tile-margin-about = Pour les espaces en mosaïque
set-snap-edges = Accrocher aux bords de l’écran
set-snap-edges-about = Une fenêtre tirée là remplit la moitié, le quart ou tout l’écran.
set-mode = Résolution de { $output }
set-mode-own = Choix de l’écran
set-mode-own-is = Choix de l’écran ({ $mode })
set-scale = Échelle de { $output }
set-transform = Orientation de { $output }
set-transform-about = Comment l’écran est accroché
turn-normal = Droit
turn-90 = 90° à gauche
turn-180 = À l’envers
turn-270 = 90° à droite
turn-flipped = En miroir
turn-flipped-90 = En miroir, 90° à gauche
turn-flipped-180 = En miroir, à l’envers
turn-flipped-270 = En miroir, 90° à droite
set-place = Place de { $output }
set-place-about = Où va le pointeur d’un écran à l’autre
set-place-automatic = Automatique
side = { $side ->
    [left-of] À gauche de { $output }
    [right-of] À droite de { $output }
    [above] Au-dessus de { $output }
   *[below] En dessous de { $output }
}
trial-question = Garder cet écran ?
trial-left = { $seconds ->
    [one] Il redevient comme avant dans { $seconds } seconde.
   *[other] Il redevient comme avant dans { $seconds } secondes.
}
trial-keep = Garder
trial-back = Annuler
trial-no-bus = Le compositeur est injoignable.
set-output-mode = { $width } × { $height }, { $hertz } Hz
set-output-turned = { $mode }, tourné : { $turned }
set-night-light = Éclairage nocturne
set-night-light-about = Des couleurs plus chaudes le soir
set-night-from = Commence à
set-night-to = Finit à
set-night-sun = Le soleil décide : le fichier a latitude et longitude.
set-night-temperature = Chaleur la nuit
set-night-temperature-about = 1700 K ont la chaleur d’une bougie, 6500 K ne changent rien.
set-layout = Disposition du clavier
set-layout-system = Celle du système
set-repeat-delay = Délai de répétition d’une touche
set-repeat-delay-about = Plus long pour des mains qui lâchent tard
set-repeat-rate = Vitesse de répétition
set-tap = Toucher le pavé tactile clique
set-natural-scroll = Défilement naturel
set-natural-scroll-about = Le contenu suit les doigts.
set-pointer-speed = Vitesse du pointeur
set-high-contrast = Contraste élevé
set-high-contrast-about = Un thème à fond noir, texte blanc et bords nets
set-reduced-motion = Moins de mouvement
set-reduced-motion-about = Les choses sont là d’un coup au lieu de se déplacer. Les programmes l’apprennent aussi.
set-sticky-keys = Touches rémanentes
set-sticky-keys-about = Une frappe de Maj, Ctrl, Alt ou Super la tient pour la touche suivante.
set-sticky-shortcut = Cinq frappes de Maj
set-sticky-shortcut-about = Elles activent et désactivent les touches rémanentes.
set-slow-keys = Touches lentes
set-slow-keys-about = Une touche compte quand elle a été tenue aussi longtemps.
set-bounce-keys = Touches rebonds
set-bounce-keys-about = Une touche qui revient dans ce délai ne compte pas.
set-mouse-keys = Souris au clavier
set-mouse-keys-about = Le pavé numérique déplace le pointeur quand Verr. Num. est éteint.
set-magnifier-step = Pas de la loupe
set-magnifier-step-about = Super avec plus, moins et 0 agrandit et réduit l’écran.
set-magnifier-text = La loupe suit la frappe
set-magnifier-text-about = Elle va là où l’on écrit.
set-lock-after = Verrouiller l’écran après
set-screen-off-after = Écran éteint après
set-suspend-after = Veille après
set-idle-about = Sans que personne touche clavier ou pointeur
set-lock-before-sleep = Verrouiller avant la veille
set-lock-before-sleep-about = Qui que ce soit qui mette la machine en veille
set-permissions-about = Ce que les agents peuvent, ce qu’ils ont fait, et décider d’avance
set-agents = Vue des agents
set-agents-about = Qui est là, ce qui se dit et ce qui se fait
set-language = Langue
set-language-about = Les programmes suivent celle de l’environnement.
set-language-system = Celle du système
set-system = Système
set-machine = Machine
set-processor = Processeur
set-memory = Mémoire
set-memory-words = { $all } Gio, dont { $free } Gio libres
set-models = Modèles
set-models-about = Sur cette machine, pour les agents
set-models-none = Aucun
set-model = { $name } ({ $state ->
    [available] disponible
    [loading] chargement
    [ready] prêt
    [failed] en échec
   *[other] { $state }
})
unit-never = Jamais
unit-pixels = { $value } px
unit-milliseconds = { $value } ms
unit-per-second = { $value } / s
unit-kelvins = { $value } K
unit-times = ×{ $value }
unit-seconds = { $count ->
    [one] { $count } seconde
   *[other] { $count } secondes
}
unit-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
unit-hours = { $count ->
    [one] { $count } heure
   *[other] { $count } heures
}
