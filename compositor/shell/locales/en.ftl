# The shell's words in English: complete, and what other languages fall back to.
# `_` stands before the letter that presses a button with Alt.

## Everywhere

on = On
off = Off
you = You
everyone = Everyone
agents = Agents
permissions = Permissions
percent = { $value } %
quoted = “{ $text }”
sure = Sure? Press again
mixed-scripts = Letters of several scripts look alike here: those with a number are not Latin.
agents-not-running = The agents are not running. They are started again by themselves.
broker-not-running = The broker is not running.

## Keys, and what they do

key-enter = Enter
key-escape = Esc
key-tab = Tab
key-delete = Del
key-space = Space
key-pages = PgUp PgDn
key-alt-letter = Alt + letter
does-answer = answer
does-back = back
does-change = change
does-choose = choose
does-close = close
does-command = command
does-deny = deny
does-in-time = in time
does-make = make it
does-next = next
does-open = open
does-other-page = other page
does-pause = pause
does-press = press
does-resume = resume
does-take-back = take back
does-talk = talk
does-zoom = zoom

## Dates and times

weekday-short = { $weekday ->
    [1] Mon
    [2] Tue
    [3] Wed
    [4] Thu
    [5] Fri
    [6] Sat
   *[7] Sun
}
weekday-long = { $weekday ->
    [1] Monday
    [2] Tuesday
    [3] Wednesday
    [4] Thursday
    [5] Friday
    [6] Saturday
   *[7] Sunday
}
month-short = { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
}
month-long = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
}
day-of-month = { $day }
date-short = { day-of-month } { month-short }
date-short-year = { day-of-month } { month-short } { $year }
date-short-weekday = { weekday-short } { day-of-month } { month-short }
date-long = { weekday-long }, { day-of-month } { month-long }
time-minutes = { $hour }:{ $minute }
time-seconds = { $hour }:{ $minute }:{ $second }
duration-seconds = { $seconds } s
duration-minutes = { $minutes } min { $seconds } s

## Panel and tray

panel-paused = paused
panel-shares = { $count ->
    [one] recording
   *[other] { $count } recordings
}
agent-state = { $state ->
    [starting] starts
    [thinking] thinks
    [acting] works
    [waiting] waits for you
    [failed] failed
    [stopped] stopped
   *[other] ready
}
tray-back = Back
tray-nothing = Nothing here
problem-tray = { $program } does not show its menu: it did not answer within { $seconds } s
recorded = The screen was recorded
recorded-broken = The recording ended early
recorded-left-out = { $count ->
    [one] One picture was left out: this machine was too slow.
   *[other] { $count } pictures were left out: this machine was too slow.
}
recorded-lost = What was recorded until then is in { $file }.
problem-record = Cannot record the screen: { $why }

## Quick settings

controls-no-sound = Nothing here plays sound
controls-light-fixed = This screen's light is fixed
controls-not-known = Not known
controls-network = Network
controls-night-light = Night light
controls-theme = Theme
controls-dark = Dark
controls-light = Light
controls-display-fixed = fixed
controls-display-silent = no sound
controls-no-address = { $link }, no address
controls-not-connected = Not connected
problem-colours = The colours stay as they are: { $why }
problem-light = The light stays as it is: { $why }
problem-sharing = The recording could not be ended: { $why }
problem-network = The network stays as it is: { $why }
problem-volume = The volume stays as it is: { $why }

## Launcher

launcher-search = Search applications or ask a question
launcher-nothing = No applications are installed
launcher-ask = Ask { $agent }: “{ $question }”
launcher-ask-about = Opens the chat and sends it

## Chat

chat-not-running = not running
chat-sends = sends …
chat-starts = starts …
chat-thinks = thinks …
chat-works = works …
chat-works-at = works: { $what } …
chat-waits = waits for your permission
chat-welcome = How can I help?
chat-welcome-about = Everything stays on this machine. You are asked before anything private is read or changed.
chat-message-to = Message { $agent }

## Power menu

power-light-theme = Light theme
power-dark-theme = Dark theme
power-lock = Lock
power-log-out = Log out
power-restart = Restart
power-off = Power off
problem-lock = Cannot lock the screen: { $why }
problem-log-out = Cannot log out: { $why }
problem-restart = Cannot restart: { $why }
problem-power-off = Cannot power off: { $why }
problem-sleep = Cannot sleep: { $why }

## Lock screen

lock-locked = The screen is locked
lock-checking = Checking…
lock-press-enter = Press Enter to unlock
lock-password = Password
lock-wrong = Wrong password
lock-wrong-wait = Wrong password. Once more in { $seconds } s
lock-type-first = Type the password first
lock-too-long = That is longer than a password can be
lock-broken = The password cannot be checked: { $why }. Enter tries again
lock-no-answer = PAM has not answered for { $seconds } s
lock-caps = Caps Lock is on
lock-and-caps = { $said }. Caps Lock is on
lock-no-password = This account has no password

## Greeter

greeter-log-in = Log in
greeter-other = Somebody else
greeter-others = Other people
greeter-name = Name of the account
greeter-press-enter = Press Enter to log in
greeter-try-again = Press Enter to try again
greeter-starts = The session starts…
greeter-wrong = That was not right
greeter-refused = Logging in is not possible: { $why }
greeter-gone = Nobody can log in: { $why }. Starting anew
greeter-unasked = greetd said something that it was not asked
greeter-and = { $said }. { $told }
greeter-session = Session: { $name }
greeter-contrast = High contrast
greeter-sleep = Sleep

## Permission prompt

permission-asks = { $agent } asks for permission
permission-agent = agent
permission-tool = ·  tool
permission-may = { $action ->
    [read] May read
    [write] May change
    [launch] May start
    [control] May control
    [network] May reach
    [message] May write to
   *[other] May use
}
permission-deny = _Deny
permission-never = _Never
permission-once = Allow _once
permission-session = Allow for this _session
permission-always = _Always allow
permission-deny-all = Deny al_l of these
permission-more = { $count ->
    [one] This agent asks { $count } more question
   *[other] This agent asks { $count } more questions
}
permission-others = { $count ->
    [one] { $count } question of another agent waits
   *[other] { $count } questions of other agents wait
}
permission-left = No answer counts as no: { $left } left
permission-left-every-time = This is asked every time.  No answer counts as no: { $left } left
answer-lost = The answer did not get through: { $why }

## Permissions page

permissions-granted = Granted
permissions-done = What was done
permissions-ahead = Decide ahead
permissions-nothing-granted = Nothing is granted, and nothing refused for good
permissions-nothing-done = No agent has done anything yet
permissions-take-back = Take back
permissions-deed = ·  { $outcome } by { $by }
permissions-outcome = { $outcome ->
    [ok] ok
    [denied] denied
    [cancelled] cancelled
    [begun] begun
    [failed] failed
    [invalid] invalid
    [limited] limited
   *[other] { $outcome }
}
permissions-the-log = The log
permissions-nobody = nobody
action = { $action ->
    [read] read
    [write] change
    [launch] start
    [control] control
    [network] reach
    [message] write to
   *[other] { $action }
}
may = { $verdict ->
    [allow] may { action }
   *[deny] may not { action }
}
lasts-session = until the session ends
lasts-always = from now on
lasts-long = for a long time
lasts-until = until { $when }
lasts-until-day = until { $day }, { $time }
ahead-agent = Agent
ahead-may = May it
ahead-this = This
ahead-for = For
ahead-session = this session
ahead-hour = an hour
ahead-day = a day
ahead-example = { $action ->
    [launch] An application: foot
    [control] A part of the desktop: windows, services, power …
    [network] A host or a pattern of hosts: *.example.org
    [message] An agent: steward
   *[other] A file or a folder with all in it: ~/Documents
}
ahead-no-agent = There is no agent
ahead-empty = Say what it is about: what would happen now shows here.
ahead-allow = Allow
ahead-refuse = Refuse
ahead-goes = goes ahead
ahead-refused = is refused
ahead-asks = asks you
ahead-asks-always = asks you every time
no-bus-for-broker = There is no session bus, so the broker cannot be reached.

## Agent view

agents-all = All
agents-at-work = at work
agents-attends = Attends to
agents-back-to-now = Back to now
agents-count-agents = { $count ->
    [one] { $count } agent
   *[other] { $count } agents
}
agents-count-rooms = { $count ->
    [one] { $count } room
   *[other] { $count } rooms
}
agents-count-waiting = { $count ->
    [one] { $count } waiting for you
   *[other] { $count } waiting for you
}
agents-events-of = Events · { $who }
agents-familiar = Familiar with you
agents-goals = Goals
agents-how-to-choose = Choose an agent or a room with Tab, the arrows or the pointer to look into it.
agents-in-it = In it
agents-lost = The agents are not running
agents-lost-about = They are started again by themselves. What is the matter: argos log --user orchestrator
agents-memory = Working memory
agents-messages-to = { $count ->
    [one] { $agent }: { $count } message
   *[other] { $agent }: { $count } messages
}
agents-none = There are no agents
agents-none-about = An agent is a folder with an agent.yaml in ~/.local/share/argos/agents.
agents-not-found = No agent or room is called “{ $name }”.
agents-nothing-chosen = Nothing is chosen
agents-nothing-listed = Nothing yet
agents-nothing-yet = Nothing has happened yet
agents-now = Now
agents-owes = message { $message }, until { $until }
agents-owes-to = Owes an answer to
agents-pause = Pause
agents-plan = Plan
agents-resume = Resume
agents-room-with = { $count ->
    [one] A room with one agent
   *[other] A room with { $count } agents
}
agents-said-lately = Said lately to
agents-since = since { $time }
agents-start = Start
agents-states = States
agents-step = Step
agents-stop = Stop
agents-stop-all = Stop everything
agents-talk = Talk
agents-talk-to = Talk
agents-then = Then
agents-unheard = Looking at the agents …
agents-usage = { $memory } MiB of memory, { $seconds } s of processor time, { $tasks } tasks
agents-uses = Uses
agents-waiting = Waiting
agents-world = World
agents-you-about = The person at this screen
event-answered-nothing = { $agent } has nothing to say
event-appeared = { $agent } is there
event-attended = { $agent } turns to { $message }
event-message = message { $number }
event-paused = The world stands still
event-resumed = The world goes on
event-said = { $from } to { $agent }: { $text }
event-speed = The world runs at { $speed } times its speed
event-stepped = One step
event-stopped-all = Everything is stopped
event-timer = A timer
event-unanswered = { $agent } leaves { $message } unanswered
command-alone = `{ $verb }` stands alone.
command-find = `find` what? Name an agent or a room.
command-help = say AGENT TEXT · find NAME · start, stop AGENT · stop all · pause · resume · step · speed N · live · fit
command-no-agent = There is no agent `{ $name }`.
command-say = `say { $agent }` what?
command-speed = A speed is a number from { $slowest } to { $fastest }; 1 is as usual.
command-unknown = There is no command `{ $verb }`. { $help }
command-whom = `{ $verb }` whom? Choose an agent or name one.
order-paused = No agent turns to anything new until you resume.
order-resumed = The agents go on.
order-speed = The speed is { $speed }.
order-started = { $agent } is started.
order-stepped = One step.
order-stopped = { $agent } is stopped.
order-stopped-all = Everything is stopped, and nothing starts until you resume.
no-bus-for-agents = There is no session bus, so no agent can be reached.
no-bus-to-lock = There is no session bus, so the screen cannot be locked from here; Super+l does it.
no-bus-to-record = There is no session bus, so the screen cannot be recorded.

## File dialog

cancel = Cancel
open = Open
save = Save
place-home = Home
place-computer = Computer
size = { $value } { $thousands ->
    [0] B
    [1] kB
    [2] MB
    [3] GB
    [4] TB
    [5] PB
   *[6] EB
}
modified-today = Today { $time }
modified-yesterday = Yesterday { $time }
modified-this-year = { $date } { $time }
chooser-title-folder = Choose a folder
chooser-title-files = Save files
chooser-choose-folder = Choose folder
chooser-save-here = Save here
chooser-saves = { $count ->
    [one] { $count } file is put into the folder that you choose; none is replaced.
   *[other] { $count } files are put into the folder that you choose; none is replaced.
}
chooser-path = A path, as /home or ~/Documents
chooser-name = Name
chooser-size = Size
chooser-modified = Modified
chooser-name-of-file = Name of the file
chooser-reading = Reading…
chooser-no-folders = There are no folders in here.
chooser-none-of-kind = There are no files of this kind in here.
chooser-only-hidden = There are only hidden files in here.
chooser-empty = This folder is empty.
chooser-try-again = Try again
chooser-left-out = { $count ->
    [one] { $count } more is not shown; type a path to get at it.
   *[other] { $count } more are not shown; type a path to get at them.
}
chooser-chosen = { $count } chosen
chooser-options = { $shown } of { $count }; the arrow keys show the others
chooser-new-folder = New folder
chooser-folder-name = Its name
chooser-folder-long = The name is too long.
chooser-folder-wrong = Type a name; it may have no “/”.
chooser-replace = Replace the file?
chooser-replace-about = There is a “{ $name }” in “{ $folder }” already. What is in it will be lost.
chooser-replace-no = Keep it
chooser-replace-yes = Replace
chooser-no-name = Type a name for the file.
chooser-no-file-name = A folder has no such name; type the name of a file.
chooser-long = The name is too long: it has { $bytes } bytes of { $most }.
chooser-no-folder = There is no folder “{ $folder }”.
chooser-no-such = There is no “{ $path }”.
chooser-no-replacing = “{ $name }” exists already, and you have no permission to replace it.
chooser-no-writing = You have no permission to put a file into “{ $folder }”.
chooser-no-making = You have no permission to make a folder here.
chooser-denied = You have no permission to open “{ $name }”.
chooser-gone = “{ $name }” is not there any more.
chooser-not-a-folder = “{ $name }” is no folder.
chooser-exists = “{ $name }” exists already.
chooser-read-only = “{ $name }” cannot be made: this disk can only be read.
chooser-disk-full = “{ $name }” cannot be made: the disk is full.
chooser-unreadable = “{ $name }” cannot be opened: { $why }.

## Other questions of programs

access-title = A program asks
access-allow = Allow
access-deny = Deny
consent-nameless = a program without a name
consent-pixels = { $width } × { $height } pixels
screenshot-title = Picture of the screen
screenshot-asks = Give this picture of the screen to the program?
screenshot-about = It is also kept in your folder for pictures.
screenshot-yes = Give it
screenshot-no = Do not
pick-title = Pick a colour
share-title = Record the screen
share-asks = What may the program record?
share-about = It sees what is shown there, and what you do there, until it ends or you press the red sign on the panel.
share-screen = { $width } × { $height } pixels
share-window = Window of { $app }
share-nothing = There is nothing that could be recorded.
share-remember = Do not ask this program again
share-yes = Record
share-no = Do not
open-with = Open with
open-with-what = Open “{ $what }” with
open-with-nothing = No application that is installed opens this.

## The shell itself

shell-problem = That did not work
shell-theme-not-changed = The theme was not changed
part-mistake = A mistake in the part “{ $part }”
part-mistake-meanwhile = What was running goes on until this is mended.
part-given-up = The part “{ $part }” keeps ending
part-given-up-why = It ended { $count } times within a minute ({ $why }) and is not started again. What it printed: { $log }
part-refused = The part “{ $part }” cannot be started
settings-no-thread = There is no thread to write settings with; the log says why.

## Settings

settings = Settings
settings-about = Everything that can be set, page by page
settings-page-about = Settings: { $about }
controls-settings = All settings
settings-search = Search settings
settings-search-choices = Search this list
settings-found = Found
settings-count = { $count ->
    [one] { $count } setting
   *[other] { $count } settings
}
settings-nothing-found = Nothing is called that
settings-nothing-known = Nothing is known here yet
settings-open = Open
settings-broken = These settings cannot be changed until their file is mended: { $why }
settings-not-kept = Not changed: { $why }
settings-not-kept-title = A setting was not kept
page-appearance = Appearance
page-appearance-about = Theme, accent, text size, wallpaper
page-windows = Windows
page-windows-about = Workspaces, tiles, edges of the screen
page-displays = Displays
page-displays-about = Resolution, scale, direction, night light
page-input = Keyboard and pointer
page-input-about = Layout, repeat, mouse, touchpad
page-accessibility = Accessibility
page-accessibility-about = Contrast, motion, magnifier, keys
page-power = Power and lock
page-power-about = Lock, dark screen, sleep
page-agents = Agents
page-agents-about = What agents do, and what they may do
page-language = Language
page-language-about = The language of panel, menus and settings
page-about = About
page-about-about = System, machine, memory, models
set-theme = Theme
set-accent = Accent
set-accent-theme = The theme's
set-accent-mended = Shown as { $shown }: as it is written, it could not be read.
set-accent-refused = “{ $accent }” is no colour; write it as #2f6fd0.
accent = { $name ->
    [teal] Teal
    [blue] Blue
    [purple] Purple
    [pink] Pink
    [orange] Orange
    [yellow] Yellow
    [green] Green
    [grey] Grey
   *[other] { $name }
}
set-text-size = Size of text
set-text-size-about = Of everything that belongs to the desktop
set-wallpaper = Wallpaper
set-wallpaper-about = PNG pictures in ~/.local/share/argos/wallpapers can be chosen as well.
set-wallpaper-theme = The theme's
wallpaper-tide-day = Tide by day
wallpaper-tide-night = Tide at night
set-cursor-size = Size of the pointer
set-workspaces = Workspaces
set-tiling = Tile windows
set-tiling-about = Windows share a workspace instead of lying over each other. Super+t does so on one.
set-tile-gap = Gap between tiles
set-tile-gap-about = For workspaces that tile
set-tile-margin = Gap at the sides of the screen
set-tile-margin-about = For workspaces that tile
set-snap-edges = Snap to the sides of the screen
set-snap-edges-about = A window that is dragged there fills a half, a quarter or all of it.
set-mode = Resolution of { $output }
set-mode-own = The display's choice
set-mode-own-is = The display's choice ({ $mode })
set-scale = Scale of { $output }
set-transform = Direction of { $output }
set-transform-about = How the display hangs
turn-normal = Upright
turn-90 = 90° to the left
turn-180 = Upside down
turn-270 = 90° to the right
turn-flipped = Mirrored
turn-flipped-90 = Mirrored, 90° to the left
turn-flipped-180 = Mirrored, upside down
turn-flipped-270 = Mirrored, 90° to the right
set-place = Place of { $output }
set-place-about = Where the pointer goes from screen to screen
set-place-automatic = Automatic
side = { $side ->
    [left-of] Left of { $output }
    [right-of] Right of { $output }
    [above] Above { $output }
   *[below] Below { $output }
}
trial-question = Keep this screen?
trial-left = { $seconds ->
    [one] It goes back to what it was in { $seconds } second.
   *[other] It goes back to what it was in { $seconds } seconds.
}
trial-keep = Keep it
trial-back = Take it back
trial-no-bus = The compositor cannot be reached.
set-output-mode = { $width } × { $height }, { $hertz } Hz
set-output-turned = { $mode }, turned: { $turned }
set-night-light = Night light
set-night-light-about = Warmer colours in the evening
set-night-from = Begins at
set-night-to = Ends at
set-night-sun = The sun says when: the file has latitude and longitude.
set-night-temperature = Warmth at night
set-night-temperature-about = 1700 K are as warm as a candle, 6500 K change nothing.
set-layout = Keyboard layout
set-layout-system = The system's
set-repeat-delay = Delay until a held key repeats
set-repeat-delay-about = Longer for hands that let go late
set-repeat-rate = Speed of the repeats
set-tap = Tapping the touchpad clicks
set-natural-scroll = Natural scrolling
set-natural-scroll-about = What is shown moves with the fingers.
set-pointer-speed = Speed of the pointer
set-high-contrast = High contrast
set-high-contrast-about = A theme with black ground, white text and clear edges
set-reduced-motion = Less motion
set-reduced-motion-about = Things are there at once instead of moving there. Programs are told so, too.
set-sticky-keys = Sticky keys
set-sticky-keys-about = A tap of Shift, Ctrl, Alt or Super holds it for the next key.
set-sticky-shortcut = Five taps of Shift
set-sticky-shortcut-about = They switch sticky keys on and off.
set-slow-keys = Slow keys
set-slow-keys-about = A key counts once it was held for so long.
set-bounce-keys = Bounce keys
set-bounce-keys-about = A key does not count that comes again within so long.
set-mouse-keys = Mouse keys
set-mouse-keys-about = The keypad moves the pointer while Num Lock is off.
set-magnifier-step = Step of the magnifier
set-magnifier-step-about = Super with plus, minus and 0 shows the screen larger and smaller.
set-magnifier-text = The magnifier follows typing
set-magnifier-text-about = It goes to where text is typed.
set-lock-after = Lock the screen after
set-screen-off-after = Screen dark after
set-suspend-after = Sleep after
set-idle-about = Without anybody touching keyboard or pointer
set-lock-before-sleep = Lock before sleep
set-lock-before-sleep-about = Whoever has the machine sleep
set-permissions-about = What agents may do, what they did, and deciding ahead
set-agents = Agent view
set-agents-about = Who is there, what they say and what they are at
set-language = Language
set-language-about = Programs choose theirs by the environment's.
set-language-system = The system's
set-system = System
set-machine = Machine
set-processor = Processor
set-memory = Memory
set-memory-words = { $all } GiB, { $free } GiB of it free
set-models = Models
set-models-about = On this machine, for the agents
set-models-none = None
set-model = { $name } ({ $state ->
    [available] available
    [loading] loading
    [ready] ready
    [failed] failed
   *[other] { $state }
})
unit-never = Never
unit-pixels = { $value } px
unit-milliseconds = { $value } ms
unit-per-second = { $value } / s
unit-kelvins = { $value } K
unit-times = ×{ $value }
unit-seconds = { $count ->
    [one] { $count } second
   *[other] { $count } seconds
}
unit-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
unit-hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}
