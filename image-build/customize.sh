#!/bin/sh
# Turns Debian's packages into the base of ArgOS: users, links, and what is taken out again.
#
# Runs as root in the image's tree, after the packages and before programs and `rootfs/` are laid
# over it. May run again on its own result.
set -eu
export LC_ALL=C

# --- Users ------------------------------------------------------------------------------------
# Fixed numbers, so that a data disk written under one image can be read under the next. The
# buses' come from their packages.
mkdir -p /usr/lib/sysusers.d
cat >/usr/lib/sysusers.d/argos.conf <<'CONF'
# Who may open the seat (the screen and what is plugged in).
g seat     979
# The greeter: what shows who may log in, and asks for passwords. It opens the seat and draws, no more.
u greeter  978 "ArgOS greeter" /var/lib/argos/greeter
m greeter  seat
m greeter  video
m greeter  render
# The AI service: reads models, no more.
u argos-ai 980 "ArgOS AI service" /var/lib/argos-ai
CONF
systemd-sysusers argos.conf

if ! getent passwd argos >/dev/null; then
    groupadd --gid 1000 argos
    # Its home is made at boot (rootfs/usr/lib/argos/home-folders), since /home may be a data disk.
    useradd --uid 1000 --gid argos --no-create-home --home-dir /home/argos --shell /bin/bash \
        --comment "Live user" argos
fi
for group in video input render audio seat sudo; do
    usermod --append --groups "$group" argos
done
# The live person has no password (PAM's nullok); root cannot log in at all.
passwd --delete argos >/dev/null
passwd --lock root >/dev/null
# Nobody could answer sudo's question for a password that does not exist.
cat >/etc/sudoers.d/live <<'CONF'
# Live image only: its person has no password that could be asked for.
%sudo ALL=(ALL:ALL) NOPASSWD: ALL
CONF
chmod 0440 /etc/sudoers.d/live

# --- Links ------------------------------------------------------------------------------------
ln -sfn /usr/bin/argos-init /usr/sbin/init
for name in poweroff reboot; do
    ln -sfn /usr/bin/argos "/usr/sbin/$name"
done

# --- State that each machine makes for itself ---------------------------------------------------
rm -f /etc/machine-id /var/lib/dbus/machine-id /etc/resolv.conf /var/lib/systemd/random-seed
mkdir -p /var/lib/dbus
ln -sfn /etc/machine-id /var/lib/dbus/machine-id

# --- Folders that are mounted or filled at boot --------------------------------------------------
for dir in /boot /dev /proc /sys /run /tmp /home /mnt /var/lib/argos /usr/share/argos/models \
    /usr/share/argos/agents /usr/share/argos/themes; do
    mkdir -p "$dir"
done
chmod 1777 /tmp
install -d -o greeter -g greeter -m 0700 /var/lib/argos/greeter

# --- Fonts: one a script, in the weights that are used ------------------------------------------
# Of Noto, faces with serifs only for scripts that have none without, and no further forms of a script; letters of
# Latin, Greek and Cyrillic are Inter's and DejaVu's.
if cd /usr/share/fonts/truetype/noto 2>/dev/null; then
    for file in NotoSerif*-*.ttf; do
        script=${file#NotoSerif}
        script=${script%-*}
        case $script in '' | Display) rm -f "$file" ;; esac
        [ ! -e "NotoSans$script-Regular.ttf" ] || rm -f "$file"
    done
    rm -f NotoSans-*.ttf NotoSansDisplay-*.ttf NotoLooped*.ttf NotoKufi*.ttf NotoRashi*.ttf \
        NotoTraditionalNushu-*.ttf NotoSansTifinagh?*-Regular.ttf NotoSansAdlamUnjoined-*.ttf
    cd /
fi
for folder in /usr/share/fonts/opentype/inter /usr/share/fonts/truetype/jetbrains-mono; do
    [ ! -d "$folder" ] || find "$folder" -type f \
        ! -name '*-Regular.*' ! -name '*-Medium.*' ! -name '*-SemiBold.*' ! -name '*-Bold.*' \
        ! -name '*-Italic.*' ! -name '*-BoldItalic.*' -delete
    find "$folder" -type f \( -name 'InterDisplay-*' -o -name 'JetBrainsMonoNL-*' \) -delete 2>/dev/null || true
done

# --- Fonts are scanned once, here, not by the first program on each machine ----------------------
if command -v fc-cache >/dev/null; then fc-cache --system-only --force; fi

# --- What ArgOS does not use --------------------------------------------------------------------
# Other init systems' units (udevd itself and its .link files stay), the package manager's leftovers,
# sources of compiled databases, translations. Licences (copyright files) stay.
rm -rf /usr/lib/systemd/system /usr/lib/systemd/user /etc/systemd /usr/lib/udev/hwdb.d \
    /etc/init.d /etc/rc?.d /etc/cron.* /etc/logrotate.d /etc/needrestart /etc/update-motd.d \
    /etc/kernel /etc/tiny-initramfs /usr/share/tiny-initramfs /usr/share/initramfs-tools \
    /usr/share/info /usr/share/lintian /usr/share/bug /usr/share/doc-base \
    /usr/share/bash-completion /usr/share/zsh /usr/share/fish /usr/share/gtk-doc
rm -rf /var/cache/debconf /var/cache/ldconfig /var/lib/dpkg/*-old \
    /var/log /var/tmp /var/backups /var/mail /var/local /var/opt
mkdir -p /var/log /var/tmp /var/cache
chmod 1777 /var/tmp
rm -f /boot/initrd.img* /initrd.img* /vmlinuz* /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- \
    /etc/subuid- /etc/subgid- /etc/.pwd.lock
# Manual pages that the index of the documentation is made of; packing the root leaves them out.
find /usr/share/man -mindepth 1 -maxdepth 1 ! -name 'man[1578]' -exec rm -rf {} +
find /usr/share/doc -depth -mindepth 1 ! -type d ! -name copyright -delete
find /usr/share/doc -depth -mindepth 1 -type d -empty -delete
find /usr/share/locale -mindepth 1 -maxdepth 1 ! -name C.UTF-8 ! -name locale.alias -exec rm -rf {} +
