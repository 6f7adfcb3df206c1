#!/bin/sh
# Names the shared libraries that opencv-python's wheel expects from the system and that are not here.
missing=""
for pair in libGL.so.1:libgl1 libglib-2.0.so.0:libglib2.0-0 libxcb.so.1:libxcb1; do
    library=${pair%%:*}
    /sbin/ldconfig -p 2>/dev/null | grep -q "$library" || missing="$missing ${pair##*:}"
done
[ "$(uname -s)" = Linux ] || exit 0
if [ -n "$missing" ]; then
    echo "error: system libraries are missing; on Debian or Ubuntu:  sudo apt-get install -y$missing" >&2
    exit 2
fi
