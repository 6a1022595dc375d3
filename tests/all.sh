#!/bin/bash
# Installs what is missing and runs everything: form, lints, documents, fast tests, both engines, real servers.
#
# Needs a Rust toolchain, and root on Debian for what it installs. Every part runs even if one before it fails; the
# exit code tells whether all passed. Servers are started by the tests themselves, on loopback, and stopped by them.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

started=$SECONDS
failed=()

section() { printf '\n==== %s\n' "$1"; }

# part NAME COMMAND...: runs one part and remembers whether it failed.
part() {
    local name=$1 since=$SECONDS
    shift
    section "$name"
    if "$@"; then
        printf '==== %s: passed in %d s\n' "$name" $((SECONDS - since))
    else
        printf '==== %s: FAILED after %d s\n' "$name" $((SECONDS - since))
        failed+=("$name")
    fi
}

missing_packages() {
    local there
    for package in dovecot-core dovecot-imapd dovecot-lmtpd postfix postgresql wrk chromium fonts-noto-cjk python3 \
        util-linux procps ca-certificates python3-dkim python3-nacl belenios-tool dnsmasq-base gnupg; do
        there=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$there" = installed ] || printf '%s\n' "$package"
    done
    # Any way it came here will do.
    command -v node >/dev/null && command -v npm >/dev/null || printf '%s\n' nodejs npm
}

install_packages() {
    local policy=/usr/sbin/policy-rc.d ours='' result=0
    # Packages must not start their daemons: the tests start their own. The policy is put away afterwards, unless the
    # machine had one before.
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        ours=yes
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    {
        apt-get -o DPkg::Lock::Timeout=300 update &&
            DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
    } || result=$?
    if [ -n "$ours" ]; then
        rm -f "$policy"
        trap - EXIT
    fi
    return "$result"
}

ensure_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is no Debian; install Dovecot, Postfix, PostgreSQL, wrk, Chromium, Noto CJK fonts, Python 3.11 with dkimpy and PyNaCl, belenios-tool 2.0, dnsmasq, GnuPG and Node.js 18 by hand."
        return 0
    fi
    mapfile -t missing < <(missing_packages)
    if [ ${#missing[@]} -eq 0 ]; then
        echo "Nothing is missing."
        return 0
    fi
    echo "Missing: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        echo "Only root can install them, and only root can start Postfix. Run as root:"
        echo "    apt-get install --no-install-recommends ${missing[*]}"
        return 1
    fi
    install_packages "${missing[@]}"
}

document() { RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --quiet; }

# ensure_npm FOLDER PACKAGE VERSION: a program of npm's that the tests use; without a lock file, since that would name a registry's host.
ensure_npm() {
    local folder=${CARGO_TARGET_DIR:-target}/$1
    if grep -qs "\"version\": \"$3\"" "$folder/node_modules/$2/package.json"; then
        echo "Nothing is missing."
        return 0
    fi
    mkdir -p "$folder" && npm install --prefix "$folder" --no-save --no-package-lock --no-audit --no-fund "$2@$3"
}

# Without nextest the tests of one program share a process, and those that start servers take turns by a lock.
tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --no-fail-fast
    else
        cargo test --no-fail-fast --lib --bins --tests
    fi
}

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust (rustup.rs), then run this again." >&2
    exit 2
fi

part "packages" ensure_packages
part "identity provider for the tests" ensure_npm oidc oidc-provider 8.8.1
part "S3 service for the tests" ensure_npm s3 s3rver 3.7.1
# From here on a test that lacks a server fails instead of being left out.
export HAGAKI_TESTS_COMPLETE=1
part "form (cargo fmt)" cargo fmt --check
part "lints (cargo clippy)" cargo clippy --all-targets --quiet -- -D warnings
part "documents (cargo doc)" document
part "tests: fast, both engines, real servers" tests
part "tests in the documents" cargo test --doc --quiet

section "total $((SECONDS - started)) s"
if [ ${#failed[@]} -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}"
    exit 1
fi
echo "all passed"
