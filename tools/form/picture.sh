#!/usr/bin/env bash
# Renders source_vitess/spec.json as a form in Chromium, and takes a picture of it: docs/connection-form.png.
# Needs node with npm, and Chromium; react-jsonschema-form and its bundler are installed into a temporary folder.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [[ -z $chromium ]] || ! command -v npm >/dev/null; then
  echo "make form-picture: needs npm and Chromium (on Debian: apt-get install npm chromium)." >&2
  exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tools/form" "$work/source_vitess"
cp "$here"/package.json "$here"/form.jsx "$here"/page.html "$work/tools/form/"
cp "$root/source_vitess/spec.json" "$work/source_vitess/"
cd "$work/tools/form"
npm install --no-package-lock --no-audit --no-fund --silent
npx esbuild form.jsx --bundle --minify --define:process.env.NODE_ENV=\"production\" --outfile=form.js --log-level=error
echo '<script src="form.js"></script>' >> page.html

# The window must be as high as the page: a first run asks the page for its height.
echo '<script>document.title = document.documentElement.scrollHeight</script>' > height.html
cat page.html height.html > measured.html
options=(--headless --no-sandbox --disable-gpu --hide-scrollbars --allow-file-access-from-files --user-data-dir="$work/profile")
height=$("$chromium" "${options[@]}" --window-size=908,600 --dump-dom "file://$PWD/measured.html" 2>/dev/null |
  sed -n 's/.*<title>\([0-9]*\)<\/title>.*/\1/p')
"$chromium" "${options[@]}" --window-size="908,$height" --screenshot="$work/form.png" "file://$PWD/page.html" 2>/dev/null
# 32 colours are enough for a form, and a fifth of the size.
node --input-type=module -e '
  import sharp from "sharp";
  await sharp(process.argv[1]).png({ palette: true, colours: 32, effort: 10 }).toFile(process.argv[2]);
' "$work/form.png" "$root/docs/connection-form.png"
echo "docs/connection-form.png: 908 x $height"
