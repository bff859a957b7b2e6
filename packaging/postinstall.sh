#!/bin/sh
# Starts geogate after it was installed, or again with the new version. Without
# systemd, as in a container, nothing is to be done.
set -e
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
case "$1" in
configure)
	# Debian: $2 is the version before, if there was one.
	if [ -n "$2" ]; then systemctl try-restart geogate.service; else systemctl enable --now geogate.service; fi
	;;
1) systemctl preset geogate.service ;; # rpm: installed; it starts what the administrator's presets say
2) systemctl try-restart geogate.service ;; # rpm: upgraded
esac
