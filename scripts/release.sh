#!/usr/bin/env bash
# A version: everything is checked, the changelog's "Unreleased" becomes the version, and both are committed and tagged.
# Nothing leaves this machine: the last lines say what would. Usage: npm run release -- major|minor|patch
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
  echo "$1" >&2
  exit 1
}
[[ ${1:-} =~ ^(major|minor|patch)$ ]] || fail "say which: npm run release -- major|minor|patch, got '${1:-}'"
[ -z "$(git status --porcelain)" ] || fail 'there are changes that are not committed: commit or stash them'
notes=$(awk '/^## /{on = /^## Unreleased$/; next} on' CHANGELOG.md)
[[ $notes =~ [^[:space:]] ]] || fail 'CHANGELOG.md has nothing under Unreleased: what is in this version?'
npm run check
version=$(npm version "$1" --no-git-tag-version)
awk -v title="## ${version#v} ($(date -u +%F))" '{print} /^## Unreleased$/ {print "\n" title}' CHANGELOG.md >CHANGELOG.next
mv CHANGELOG.next CHANGELOG.md
git add package.json package-lock.json CHANGELOG.md
git commit --no-verify -m "${version#v}"
git tag -a "$version" -m "$version"
echo "Tagged $version. To publish it: git push --follow-tags; the tag starts .github/workflows/publish.yml"
