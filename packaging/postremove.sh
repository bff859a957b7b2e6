#!/bin/sh
# Debian: purge removes what the administrator had configured.
set -e
if [ "$1" = purge ]; then rm -rf /etc/geogate; fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
