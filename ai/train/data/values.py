"""Makes the words that stand in a request's slots: paths, names, texts, times.

Everything is drawn from one `random.Random`, so a seed gives the same data again. `style` chooses
which words: "seen" and "unseen" are disjoint parts of the vocabulary, "odd" is what people
really type in file names and titles: capitals, digits, underscores, no word at all.
"""

import hashlib
import random
import re
from pathlib import Path

DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
MONTHS = "january february march april may june july august september october november december".split()
SMALL = "one two three four five six seven eight nine ten eleven twelve".split()
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth".split()

APPS = (
    "firefox|terminal|files|settings|calculator|gimp|vlc|inkscape|thunderbird|krita|blender|editor|calendar|"
    "camera|music player|maps|steam|discord|spotify|libreoffice|file manager|web browser|browser|text editor|"
    "image viewer|video player|console|shell|chromium|foot|weston-simple-shm|htop|vim|emacs|gedit|nautilus|"
    "system monitor|mail client|mail program|paint program|photo viewer|pdf reader|document viewer|spreadsheet|"
    "word processor|chess|solitaire|minesweeper|audacity|obs|kdenlive|qutebrowser|mpv|alacritty|kitty|xterm|"
    "evince|okular|shotwell|clock|weather app|launcher|task manager|notepad|chat|chat window|app store|dolphin|"
    "konsole|virtualbox|godot|arduino|freecad|keepassxc|telegram|signal|zoom|skype|anki|darktable|rhythmbox|"
    "transmission|filezilla|wireshark|octave|sqlite browser|hex editor|screen recorder|drawing app|code editor"
).split("|")
UNITS = (
    "ssh|nginx|docker|cups|bluetooth|postgresql|cron|networkmanager|avahi|apache|redis|mysql|samba|pipewire|"
    "seatd|dbus|udev|greetd|argos-ai|argos-init|argos-compositor|argos-shell|argos-memory|argos-broker|"
    "orchestrator|compositor|login|journal|syslog|ntp|chrony|firewall|tor|haproxy|mosquitto|mariadb|sshd|udevd|"
    "wpa_supplicant|iwd|dhcpcd|polkit|upower|rtkit|getty|serial-getty|dbus-daemon|print server|web server|"
    "database|ssh server|time sync|sound server|bus|session bus|printing|journald|networkd|resolved|logind|"
    "argos-login|argos-orchestrator|mailserver|postfix|dovecot|grafana|prometheus|jellyfin|nfs|rsyncd|vsftpd"
).split("|")
THEMES = (
    "dark|light|solarized|nord|dracula|gruvbox|high-contrast|sepia|midnight|ocean|black|white|catppuccin|"
    "monokai|forest|high contrast|day|night|default|paper|tokyo night|rose pine|everforest|argos|dusk|dawn|"
    "contrast|sand|slate|mint|bright|darker|lighter|ayu|material|one dark|solarized dark|solarized light|pastel"
).split("|")
AGENTS = (
    "steward|librarian|scout|gardener|researcher|writer|coder|planner|watchman|archivist|secretary|tutor|"
    "butler|cook|accountant|translator|reviewer|critic|doctor|mechanic|historian|curator|messenger|guard|"
    "analyst|photographer|assistant|helper|night watch|bookkeeper|editor|news reader|mail sorter|sentinel"
).split("|")
NAMES = (
    "anna|bob|carlos|diana|emil|fatima|george|hana|ivan|julia|kenji|lara|mohamed|nina|omar|paul|quentin|rosa|"
    "sam|tina|umar|vera|wei|xenia|yusuf|zoe|mom|dad|the boss|grandma|luis|priya|ingrid|tom|lena|max|sofia|noah|"
    "karin|pete|maria|ahmed|chloe|dimitri|esther|felix|greta|hugo|irene|jakob|klara|leo|mia|nils|olga|pavel"
).split("|")
KIN = (
    "cat|dog|sister|brother|mother|father|wife|husband|daughter|son|neighbour|boss|landlord|best friend|uncle|"
    "aunt|grandmother|teacher|doctor|dentist|partner|hamster|parrot|car|bike|flat|street|school|flatmate|cousin|"
    "goldfish|horse|plumber|colleague|team|girlfriend|boyfriend|kids|parents|rabbit|turtle|boat|garden|village"
).split("|")
THINGS = (
    "shoe size|phone number|birthday|blood type|favourite colour|favourite food|wifi password|door code|license plate|"
    "locker number|passport number|postcode|address|nickname|job|favourite band|car|username|email address|wedding day|"
    "name|age|office|desk number|allergy|gym membership|tax number|account number|hotel|flight|bank|insurance|dentist|"
    "pin|key|umbrella|glasses|coffee order|favourite film|middle name|star sign|parking spot|bus line|meeting room"
).split("|")
CHORES = (
    "buy milk|call the dentist|water the plants|pay the rent|feed the cat|take out the trash|book the hotel|"
    "send the report|renew the passport|pick up the kids|clean the kitchen|fix the bike|return the books|"
    "charge the phone|walk the dog|back up the laptop|cancel the subscription|buy a birthday present|stretch|"
    "drink some water|turn off the oven|check the mail|prepare the slides|meet the architect|call mom|"
    "submit the form|order more paper|change the filter|get the laundry|take my pills|start cooking|"
    "ask about the refund|read the contract|sign the papers|write to the landlord|replace the light bulb|"
    "vacuum the living room|join the call|leave for the airport|stand up|check on the soup|move the car|"
    "vote|pack the suitcase|defrost the chicken|wish him a happy birthday|finish the essay|get bread and butter|"
    "look at the results|talk to the bank|do the dishes|practise the piano|update the website|go to bed"
).split("|")
FACTS = (
    "the spare key is under the mat|i park on level three|the meeting moved to room 12|i prefer tea over coffee|"
    "the bins go out on thursdays|the guest wifi is called sunflower|i am vegetarian|we met in lisbon|"
    "i take the 8:15 train|the router is behind the sofa|the red box holds the cables|i wear size 43|"
    "dinner is at seven|i do not like olives|the old laptop has no battery|the code for the gate is 4417|"
    "the plumber comes on monday|i left the umbrella at work|the printer needs toner|i am learning spanish|"
    "the server room is on the second floor|i work from home on fridays|we use metric units|the heating is broken|"
    "the cake needs 200 grams of sugar|they close at six|the invoice was sent twice|i drive a blue skoda|"
    "everyone agreed on plan b|the flight leaves from terminal two|the recipe needs more salt|she hates cilantro"
).split("|")
SUBJECTS = (
    "taxes|the berlin trip|photosynthesis|invoices|my cv|the wedding|recipes|holiday plans|the budget|insurance|"
    "the rental contract|the thesis|meeting minutes|passwords|the car repair|vaccination|the garden|guitar chords|"
    "machine learning|the birthday party|electricity bills|the old flat|bread|the new project|linux|hiking|"
    "the school play|the dentist|bank statements|the kitchen renovation|books to read|christmas presents|music|"
    "the conference|the marathon|cats|the boiler|quantum physics|running shoes|the lease|train tickets|my diploma|"
    "the speech|solar panels|the warranty|the interview|the survey|sourdough|the router|visa application|grades"
).split("|")
FOLDERS = "documents|downloads|pictures|music|videos|desktop|notes|projects|home|public|templates|photos|trash|work|music library|src|backup".split("|")
HOSTS = "example.org|example.com|localhost:8080|www.debian.org|en.wikipedia.org|news.site.net|my-blog.io|192.168.1.1|intranet|docs.rs|kernel.org|weather.gov|blog.acme.co.uk|mysite.de|wiki.local|status.foo.dev".split("|")
ENDINGS = "txt md log conf json yaml toml py rs sh csv pdf html xml ini c h cfg odt docx xlsx jpg png mp3 zip tar.gz svg tex bak service desktop".split()
STATE_VERBS = "likes|hates|works at|lives in|prefers|moved to|is allergic to|plays|collects|studies|drives|speaks|married".split("|")

_DOC_SUBJECTS = (
    "a unit file|unit files|the init system|an agent manifest|agent.yaml|permissions|the sandbox|landlock|seccomp|cgroups|a namespace|"
    "the compositor|keyboard shortcuts|the launcher|the panel|the theme file|the broker|the orchestrator|the audit log|grants|"
    "the default model|the models folder|the memory store|dbus|the session bus|a socket unit|a timer unit|readiness|"
    "the live image|the data partition|the installer|the kernel command line|udev rules|the initrd|erofs|the boot process|"
    "file permissions|symbolic links|environment variables|a shell script|pipes|the clipboard|a screen lock|the network settings|"
    "a desktop entry|the control socket|a tool worker|mcp servers|the http api|an overlay|a snapshot|backups|log files|swap|"
    "wayland|the workspace layout|notifications|fonts|the keyboard layout|the time zone|users and groups|sudo|encryption"
).split("|")
_COMMANDS = (
    "grep|tar|chmod|chown|rsync|sed|awk|find|ps|kill|mount|umount|ip|ping|cat|less|cp|mv|rm|mkdir|ln|du|df|top|"
    "argos|argos status|argos log|argos ask|argos model|argos agent|argos-exec|argos-init|journalctl|crontab|nice|curl|wget|git"
).split("|")
_DOC_TASKS = (
    "write an agent|add a tool|change the keyboard layout|install a package|add a user|mount a usb stick|see the logs of a service|"
    "make a service start at boot|change the wallpaper|add a new theme|install argos on my disk|update the system|use another model|"
    "revoke a permission|give an agent access to a folder|back up my home|restore a snapshot|connect to a wifi network|"
    "open a port|set a static ip address|change my password|write a timer unit|limit the memory of a service|change the time zone|"
    "print a document|use the launcher|switch workspaces with the keyboard|take a screenshot with the keyboard|lock the screen by itself|"
    "copy text between windows|connect a second monitor|scale the display|export my memories|read the audit log|build the image|"
    "run argos in a virtual machine|write to a usb stick|boot from usb|enable a module|disable the network for agents|uninstall a program|"
    "find out which services failed|follow a log|run a program at login|set an environment variable|make a file executable|"
    "extract a tar archive|search inside files|compare two files|change the owner of a file|see hidden files|free up disk space"
).split("|")

_SYLLABLES = [a + b for a in "b c d f g h j k l m n p r s t v w z st tr ch br kl".split() for b in "a e i o u ar en il on ut ax".split()]


def _held_out(word: str) -> bool:
    return hashlib.md5(word.encode()).digest()[0] < 64


def read_vocabulary(path: Path) -> list[str]:
    """Whole lower-case English words of the encoder's vocabulary, commonest first."""
    pieces = Path(path).read_text(encoding="utf8").split("\n")
    return [piece for piece in pieces if re.fullmatch("[a-z]{3,12}", piece)]


class Values:
    """One stream of values. The public methods are the generators that templates name."""

    def __init__(self, rng: random.Random, style: str, vocabulary: list[str]):
        self.rng, self.style = rng, style
        held = style != "seen"
        self.words = [w for w in vocabulary[300:] if _held_out(w) == held]
        self.common = vocabulary[:300]
        self.lists: dict[int, list[str]] = {}

    def pick(self, values: list[str]) -> str:
        """One of a hand-written list, from the part that belongs to this style."""
        mine = self.lists.get(id(values))
        if mine is None:
            held = self.style != "seen"
            mine = [v for v in values if _held_out(v) == held] or values
            self.lists[id(values)] = mine
        return self.rng.choice(mine)

    def odd(self) -> str:
        r, x = self.rng, self.rng.random()
        if x < 0.4:
            word = "".join(r.choice(_SYLLABLES) for _ in range(r.randint(1, 4)))
        elif x < 0.7:
            word = "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(2, 9)))
        else:
            word = "".join(r.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(r.randint(2, 8)))
        if r.random() < 0.45:
            word = "".join(c.upper() if r.random() < 0.3 else c for c in word)
        if r.random() < 0.4:
            word += r.choice(["", "_", "-", "."]) + str(r.randint(0, 9999))
        if r.random() < 0.12:
            word += r.choice("_-") + r.choice(self.words)
        return word

    def word(self) -> str:
        x = self.rng.random()
        if self.style == "odd":
            return self.odd()
        if x < 0.7:
            return self.rng.choice(self.words)
        return self.rng.choice(self.common) if x < 0.85 else self.odd()

    def listed(self, values: list[str], share: float = 0.6) -> str:
        """Mostly from the list, else any word: names that nobody listed must work too."""
        if self.style != "odd" and self.rng.random() < share:
            return self.pick(values)
        word = self.word()
        if self.rng.random() < 0.15:
            word += self.rng.choice(" -_") + self.word()
        return word

    def case(self, text: str) -> str:
        x = self.rng.random()
        return text.title() if x < 0.15 else text.capitalize() if x < 0.3 else text

    # Names of things

    def app(self) -> str:
        return self.case(self.listed(APPS, 0.7))

    def listed_app(self) -> str:
        """Where nothing else says that it is an app, the name must."""
        return self.case(self.pick(APPS))

    def window(self) -> str:
        return self.case(self.listed(APPS, 0.6) if self.rng.random() < 0.8 else self.subject())

    def unit(self) -> str:
        unit = self.listed(UNITS, 0.65)
        return unit + self.rng.choice(["", "", "", "", "", ".service", "d"]) if " " not in unit else unit

    def process(self) -> str:
        return str(self.rng.randint(2, 99999)) if self.rng.random() < 0.25 else self.listed(APPS + UNITS, 0.6)

    def agent(self) -> str:
        return self.case(self.listed(AGENTS, 0.75))

    def theme(self) -> str:
        return self.case(self.listed(THEMES, 0.8))

    def name(self) -> str:
        return self.case(self.listed(NAMES, 0.8))

    def host(self) -> str:
        if self.style != "odd" and self.rng.random() < 0.5:
            return self.pick(HOSTS)
        return self.rng.choice(["", "www.", "", "api."]) + self.word() + "." + self.rng.choice("com org net io de dev fr local info".split())

    def url(self) -> str:
        r = self.rng
        path = "".join("/" + self.word() for _ in range(r.choice([0, 0, 1, 1, 2])))
        if path and r.random() < 0.3:
            path += r.choice([".html", ".xml", ".json", ".txt", "/", "?q=" + self.word(), "#" + self.word()])
        return r.choice(["https://", "https://", "http://", ""]) + self.host() + path

    # Files

    def filename(self) -> str:
        r = self.rng
        base = self.word()
        if r.random() < 0.4:
            base += r.choice("_-.") + self.word()
        if r.random() < 0.2:
            base += r.choice(["", "_", "-"]) + str(r.randint(1, 2030))
        if r.random() < 0.15:
            base = base.upper() if r.random() < 0.4 else base.title()
        return base + "." + r.choice(ENDINGS) if r.random() < 0.85 else base

    def root(self) -> str:
        r = self.rng
        return r.choice(
            ["/etc", "/var/log", "/usr/share", "/opt", "/tmp", "/srv", "/var", "/usr/lib", "/home/argos", "/", ".", ".."]
            + ["/home/" + self.word(), "/" + self.word(), "/mnt/" + self.word()]
            + ["~", "~", "~/" + r.choice(FOLDERS).title(), "~/" + r.choice(FOLDERS).title(), "~/" + self.word(), "~/" + self.word()]
        )

    def _below(self, root: str, leaf: str) -> str:
        middle = "".join("/" + self.word() for _ in range(self.rng.choice([0, 0, 0, 1, 1, 2])))
        return root.rstrip("/") + middle + "/" + leaf

    def folder(self) -> str:
        """A folder by path."""
        root = self.root()
        return root if self.rng.random() < 0.4 else self._below(root, self.word()) + self.rng.choice(["", "", "", "/"])

    def place(self) -> str:
        """A folder by its name, as in "my downloads"."""
        if self.style != "odd" and self.rng.random() < 0.7:
            return self.case(self.rng.choice(FOLDERS))
        return self.case(self.word() if self.rng.random() < 0.8 else self.word() + " " + self.word())

    def file(self) -> str:
        """A file by path or by its bare name."""
        return self.filename() if self.rng.random() < 0.45 else self._below(self.root(), self.filename())

    def anyfile(self) -> str:
        return self.file() if self.rng.random() < 0.75 else self.folder()

    # Texts

    def subject(self) -> str:
        x = self.rng.random()
        if self.style != "odd" and x < 0.55:
            return self.case(self.pick(SUBJECTS)) if x < 0.1 else self.pick(SUBJECTS)
        if x < 0.75:
            return " ".join(self.word() for _ in range(self.rng.choice([1, 1, 2, 2, 3])))
        return self.rng.choice(["the ", "my ", "", ""]) + self.word() + self.rng.choice([" of ", " for ", " ", " in "]) + self.word()

    def topic_noun(self) -> str:
        """A short thing to look for."""
        return self.word() if self.rng.random() < 0.4 else self.subject()

    def person_thing(self) -> str:
        """Something about the person: "my sister's birthday"."""
        r = self.rng
        owner = r.choice(["my", "my", "my", "our", "the"])
        if r.random() < 0.45:
            return f"{owner} {self.listed(THINGS, 0.85)}"
        if r.random() < 0.4:
            return f"{self.name()}'s {self.listed(THINGS, 0.85)}"
        return f"{owner} {self.listed(KIN, 0.85)}" + (f"'s {self.listed(THINGS, 0.85)}" if r.random() < 0.45 else "")

    def kin(self) -> str:
        return self.listed(KIN, 0.85)

    def my_thing(self) -> str:
        return f"my {self.thing()}"

    def my_favourite(self) -> str:
        return f"my favourite {self.word()}"

    def thing_of(self) -> str:
        return f"{self.thing()} of {self.my_kin()}"

    def my_kin(self) -> str:
        return f"{self.rng.choice(['my', 'my', 'my', 'our', 'the'])} {self.kin()}"

    def thing(self) -> str:
        return self.listed(THINGS, 0.85)

    def chore(self) -> str:
        r = self.rng
        if self.style != "odd" and r.random() < 0.6:
            return self.pick(CHORES)
        verb = r.choice("buy call fix clean write email check order send find bring get paint read pay collect test review meet ask".split())
        tail = r.choice(["the ", "my ", "a ", "some ", "", "more "]) + self.word()
        if r.random() < 0.15:
            # Two chores are one text, not two requests.
            return f"{verb} {tail} {r.choice(['and', 'and then', 'and also'])} {self.chore()}"
        return f"{verb} {tail}" + (f" {r.choice(['for', 'with', 'and', 'to', 'from'])} {self.name()}" if r.random() < 0.35 else "")

    def fact(self) -> str:
        r, x = self.rng, self.rng.random()
        if self.style != "odd" and x < 0.25:
            return self.pick(FACTS)
        if x < 0.55:
            return f"{self.person_thing()} {r.choice(['is', 'is', 'is called', 'was', 'is named', 'are', 'starts with', 'is not'])} {self.case(self.word())}"
        if x < 0.75:
            return f"{r.choice(['i', 'we', 'i am', 'i’m', 'i always'])} {r.choice(['like', 'hate', 'prefer', 'work at', 'moved to', 'live near', 'need', 'parked at', 'bought', 'left'])} {self.subject()}"
        if x < 0.85:
            return f"{self.name()} {r.choice(STATE_VERBS)} {self.word()}"
        if x < 0.93:
            return f"{r.choice(['the ', 'my ', 'our '])}{self.word()} {r.choice(['is', 'starts', 'ends', 'opens', 'comes', 'was', 'closes'])} {self.when()}"
        return self.sentence()

    def sentence(self) -> str:
        r = self.rng
        words = [r.choice(self.common) if r.random() < 0.4 else self.word() for _ in range(r.randint(2, 8))]
        if r.random() < 0.15:
            words.insert(r.randint(0, len(words)), str(r.randint(1, 500)))
        return " ".join(words)

    def groceries(self) -> str:
        return ", ".join(self.word() for _ in range(self.rng.randint(2, 5)))

    def text(self) -> str:
        """What goes into a note or a message."""
        make = self.rng.choice([self.chore, self.chore, self.fact, self.fact, self.sentence, self.groceries, self.subject])
        text = make()
        if self.rng.random() < 0.2:
            # A time in a note is part of the note.
            text += self.rng.choice([" ", " is ", " - ", " "]) + self.when()
        return self.case(text)

    def title(self) -> str:
        x = self.rng.random()
        return self.case(self.word() if x < 0.6 else self.word() + " " + self.word())

    def label(self) -> str:
        kitchen = "tea pasta eggs bread pizza laundry nap break workout rice cake coffee meditation oven homework call soup".split()
        return self.pick(kitchen) if self.style != "odd" and self.rng.random() < 0.6 else self.word()

    # Questions

    def deed(self) -> str:
        """After "where did": "i park the car"."""
        r = self.rng
        verb = r.choice("park put leave hide buy find get meet read see lose store lend keep hang".split())
        return f"i {verb} {r.choice(['my', 'the', 'the', 'my'])} {self.thing() if r.random() < 0.4 else self.word()}"

    def deed_past(self) -> str:
        """After "do you remember": "where i parked the car"."""
        r = self.rng
        verb = r.choice("parked put left hid bought found got met read saw lost stored lent kept hung live work sit".split())
        return f"{r.choice(['where', 'where', 'when', 'what', 'why', 'who'])} i {verb}" + (f" {r.choice(['my', 'the'])} {self.word()}" if r.random() < 0.7 else "")

    def trait(self) -> str:
        """After "what am": "i allergic to"."""
        return self.rng.choice("i allergic to|i good at|i afraid of|i working on|i learning|i studying|i called|i named|i interested in|i supposed to bring|i looking for|i saving for".split("|"))

    def habit(self) -> str:
        """After "do": "i live on"."""
        r = self.rng
        tail = r.choice(["", " with", " at", " on", " in", " for", ""])
        return f"{r.choice(['i', 'i', 'i', 'we', 'my ' + self.kin()])} " + r.choice("live work sit park sleep study train teach pay eat like prefer drink wear drive own use speak play collect".split()) + tail

    def doc_subject(self) -> str:
        r = self.rng
        return r.choice(_DOC_SUBJECTS) if self.style != "odd" and r.random() < 0.7 else r.choice(["the ", "", ""]) + self.word() + r.choice([" command", " service", " file format", " settings", "", " permissions", " option"])

    def doc_command(self) -> str:
        return self.rng.choice(_COMMANDS) if self.style != "odd" and self.rng.random() < 0.7 else self.word()

    def doc_task(self) -> str:
        r = self.rng
        if r.random() < 0.6:
            return r.choice(_DOC_TASKS)
        verb = r.choice("configure set up enable disable change install remove add write use create edit build test debug update export import share find".split() + ["set up", "turn on", "get rid of"])
        return f"{verb} {self.doc_subject()}"

    def howto_question(self) -> str:
        r = self.rng
        return f"{r.choice(['how do i', 'how can i', 'how to', 'how should i', 'how do you', 'how does one', 'where do i', 'where can i', 'what is the best way to', 'is it possible to', 'what do i have to do to', 'how would i'])} {self.doc_task()}"

    def howto_clause(self) -> str:
        r = self.rng
        return f"{r.choice(['how to', 'how i can', 'how i', 'how to', 'where to', 'how one can'])} {self.doc_task()}" if r.random() < 0.7 else f"{r.choice(['what', 'how'])} {self.doc_subject()} {r.choice(['is', 'does', 'works', 'means', 'is for'])}"

    def to_task(self) -> str:
        return f"to {self.doc_task()}"

    def which_question(self) -> str:
        r = self.rng
        return r.choice(["which command", "which file", "which setting", "what command", "which key", "which option"]) + " " + r.choice(["lets me", "do i use to", "is used to", "is needed to", "should i use to"]) + " " + self.doc_task()

    def why_question(self) -> str:
        r = self.rng
        return r.choice(["why can't i", "why does it not let me", "what happens if i", "may i", "is it safe to", "do i have to be root to"]) + " " + self.doc_task()

    def what_is_question(self) -> str:
        r = self.rng
        if r.random() < 0.5:
            return f"what {r.choice(['does', 'does the command', 'does the option'])} {self.doc_command()} {r.choice(['do', 'mean'])}"
        return r.choice(["what is {}", "what are {}", "how does {} work", "what is {} for", "what does {} mean", "why do i need {}", "what is the purpose of {}", "what is the difference between {} and {}"]).replace("{}", r.choice(_DOC_SUBJECTS), 1).replace("{}", r.choice(_DOC_SUBJECTS))

    def gibberish(self) -> str:
        r = self.rng
        return " ".join("".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(2, 8))) for _ in range(r.randint(1, 4)))

    # Numbers and times

    def number(self) -> str:
        r = self.rng
        return str(r.randint(1, 12)) if r.random() < 0.6 else r.choice(SMALL)

    def ordinal(self) -> str:
        return self.rng.choice(ORDINALS + ["1st", "2nd", "3rd", "4th", "5th", "last", "next", "previous"])

    def percent(self) -> str:
        r, n = self.rng, self.rng.randint(0, 100)
        tens = "ten twenty thirty forty fifty sixty seventy eighty ninety".split()
        return r.choice([f"{n}", f"{n}", f"{n}%", f"{n}%", f"{n} percent", f"{n} %", r.choice(tens), r.choice(tens) + " percent"])

    def duration(self) -> str:
        r = self.rng
        unit = r.choice(["minutes", "minutes", "minutes", "min", "mins", "hours", "seconds", "sec", "minute", "m", "h", "hour", "hrs"])
        n = r.choice([r.randint(1, 20), r.randint(1, 90), r.choice([5, 10, 15, 20, 30, 45, 60, 90])])
        return r.choice(
            [f"{n} {unit}"] * 6
            + [f"{n}{unit[0]}", f"{r.choice(SMALL)} {unit}", "an hour", "half an hour", "an hour and a half", "a minute"]
            + [f"{r.randint(1, 3)} hours and {n} minutes", f"{r.randint(1, 3)}h{n}m", "a quarter of an hour", "a couple of minutes"]
            + [f"{n} and a half minutes", f"{r.randint(0, 2)}:{r.randint(10, 59)}", f"{n} minutes {r.randint(1, 59)} seconds"]
        )

    def clock(self) -> str:
        r, h = self.rng, self.rng.randint(1, 12)
        return r.choice(
            [f"{h}pm", f"{h}am", f"{h} pm", f"{h}", f"{h}", f"{h}:{r.randint(0, 59):02d}", f"{r.randint(0, 23):02d}:{r.randint(0, 59):02d}", f"{h}:30pm"]
            + ["noon", "midnight", f"{h} o'clock", f"half past {r.choice(SMALL)}", f"quarter to {r.choice(SMALL)}", r.choice(SMALL)]
        )

    def date(self) -> str:
        r, n = self.rng, self.rng.randint(1, 28)
        month = r.choice(MONTHS)
        suffix = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(n, "th")
        return r.choice([f"the {n}{suffix} of {month}", f"{month} {n}", f"{n} {month}", f"{month} {n}{suffix}", f"2027-{r.randint(1, 12):02d}-{n:02d}", f"the {n}{suffix}"])

    def when(self) -> str:
        """A point in time with its preposition, which belongs to the span."""
        r, day = self.rng, self.rng.choice(DAYS)
        part = r.choice(["morning", "afternoon", "evening", "night"])
        return r.choice(
            [f"at {self.clock()}"] * 4
            + [f"tomorrow at {self.clock()}"] * 3
            + [f"in {self.duration()}"] * 3
            + [f"on {day}"] * 2
            + [f"on {day} at {self.clock()}", f"next {day}", f"this {part}", f"tomorrow {part}", f"{day} {part}", f"on {self.date()}", f"on {self.date()} at {self.clock()}"]
            + ["tomorrow", "tonight", f"today at {self.clock()}", "next week", "later today", f"in {r.choice(SMALL)} days", f"in {r.randint(2, 9)} weeks", "the day after tomorrow", f"{day} at {self.clock()}", f"at {self.clock()} tomorrow", f"at {self.clock()} on {day}"]
        )
