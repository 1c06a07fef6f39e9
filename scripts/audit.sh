#!/bin/sh
# audit.sh PIP_AUDIT BIN: known weaknesses of what is installed beside BIN/python. An index without a database of
# weaknesses knows none of the packages, and a network may keep the database away: that is said with what pip-audit
# says of it, and is a failure only with AUDIT_STRICT=1. A pip-audit that cannot be run is always one.
"$1" --version >/dev/null 2>&1 || { echo "pip-audit: $1 cannot be run; make audit installs it"; exit 2; }
site=$("$2/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || exit 2
said=$(mktemp) && trap 'rm -f "$said"' EXIT || exit 2
report=$("$1" --path "$site" --progress-spinner off --format json 2>"$said")
printf '%s' "$report" | "$2/python" -c '
import json, os, sys
strict = int(os.environ.get("AUDIT_STRICT") == "1")
try:
    found = json.load(sys.stdin)["dependencies"]
except (ValueError, KeyError, TypeError):
    said = open(sys.argv[1], errors="replace").read().strip().splitlines() or ["no reason was given"]
    print(f"pip-audit: nothing was audited, its database did not answer: {ascii(said[-1][:300])}")
    sys.exit(strict)
known = [item for item in found if "vulns" in item]
bad = [(item["name"], item["version"], weakness["id"], weakness["fix_versions"])
       for item in known for weakness in item["vulns"]]
for name, version, weakness, fixed in bad:
    print(f"{name} {version}: {weakness}, fixed in {fixed}")
missing = len(found) - len(known)
print(f"pip-audit: {len(known)} packages audited, {missing} not known to its database, {len(bad)} weaknesses")
sys.exit(bool(bad) or (strict and not known))
' "$said"
