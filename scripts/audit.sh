#!/bin/sh
# audit.sh PIP_AUDIT BIN: known weaknesses of what is installed beside BIN/python. An index without a database of
# weaknesses knows none of the packages: that is said, and is no failure.
site=$("$2/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
report=$("$1" --path "$site" --progress-spinner off --format json 2>/dev/null)
printf '%s' "$report" | "$2/python" -c '
import json, sys
try:
    found = json.load(sys.stdin)["dependencies"]
except (ValueError, KeyError):
    sys.exit(print("pip-audit: its database cannot be reached from here; nothing was audited"))
known = [item for item in found if "vulns" in item]
bad = [(item["name"], item["version"], weakness["id"], weakness["fix_versions"])
       for item in known for weakness in item["vulns"]]
for name, version, weakness, fixed in bad:
    print(f"{name} {version}: {weakness}, fixed in {fixed}")
missing = len(found) - len(known)
print(f"pip-audit: {len(known)} packages audited, {missing} not known to its database, {len(bad)} weaknesses")
sys.exit(bool(bad))
'
