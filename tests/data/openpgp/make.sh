#!/bin/bash
# Makes the keys of this folder anew with GnuPG: public parts as NAME.asc, secret ones without a passphrase as NAME.secret.asc.
set -euo pipefail
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
at() { gpg --batch --quiet --pinentry-mode loopback --passphrase '' --faked-system-time "$1" "${@:2}"; }
put() { gpg --batch --armor --export "$2" > "$1.asc"; gpg --batch --pinentry-mode loopback --passphrase '' --armor --export-secret-keys "$2" > "$1.secret.asc"; }
made=20260101T000000
key() { # name, user id, expiry
    at "$made" --quick-generate-key "$2" ed25519 cert,sign "$3" 2>/dev/null
    fpr=$(gpg --batch --with-colons --list-keys "=$2" | awk -F: '/^fpr/ { print $10; exit }')
    at "$made" --quick-add-key "$fpr" cv25519 encr "$3"
    put "$1" "$fpr"
}
key yamada "Taro Yamada <yamada@example.jp>" never
key suzuki "Suzuki <suzuki@example.jp>" never
key stranger "Stranger <stranger@example.net>" never
key expired "Yamada, old <yamada@example.jp> (expired)" 20260601T000000
key revoked "Yamada, lost <yamada@example.jp> (revoked)" never
sed 's/^:-----BEGIN/-----BEGIN/' "$GNUPGHOME/openpgp-revocs.d/$fpr.rev" | gpg --batch --quiet --import
gpg --batch --armor --export "$fpr" > revoked.asc
at "$made" --quick-generate-key "Rsa <yamada@example.jp> (rsa)" rsa3072 cert,sign never 2>/dev/null
fpr=$(gpg --batch --with-colons --list-keys "=Rsa <yamada@example.jp> (rsa)" | awk -F: '/^fpr/ { print $10; exit }')
at "$made" --quick-add-key "$fpr" rsa3072 encr never
put rsa "$fpr"
at "$made" --quick-generate-key "Weak <yamada@example.jp> (weak)" rsa1024 cert,sign never 2>/dev/null
fpr=$(gpg --batch --with-colons --list-keys "=Weak <yamada@example.jp> (weak)" | awk -F: '/^fpr/ { print $10; exit }')
at "$made" --quick-add-key "$fpr" rsa1024 encr never
put weak "$fpr"
at "$made" --cert-digest-algo SHA1 --quick-generate-key "Sha1 <yamada@example.jp> (sha1)" ed25519 cert,sign never 2>/dev/null
fpr=$(gpg --batch --with-colons --list-keys "=Sha1 <yamada@example.jp> (sha1)" | awk -F: '/^fpr/ { print $10; exit }')
gpg --batch --armor --export "$fpr" > sha1.asc
at "$made" --quick-generate-key "Signs only <yamada@example.jp> (signs)" ed25519 cert,sign never 2>/dev/null
fpr=$(gpg --batch --with-colons --list-keys "=Signs only <yamada@example.jp> (signs)" | awk -F: '/^fpr/ { print $10; exit }')
gpg --batch --armor --export "$fpr" > signs-only.asc
key ours "Registration <reg@example.jp>" never

# Messages as GnuPG makes them, all to our key or by yamada's.
now=20261118T080000
seal() { gpg --batch --quiet --yes --trust-model always --faked-system-time "$now" --pinentry-mode loopback --passphrase '' --armor "$@"; }
entity=$'Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSex: M\r\nAge: 58\r\n'
printf '%s' "$entity" | seal --local-user '=Taro Yamada <yamada@example.jp>' --recipient '=Registration <reg@example.jp>' --sign --encrypt > sealed.asc
printf '%s' "$entity" | seal --recipient '=Registration <reg@example.jp>' --encrypt > unsigned.asc
printf '%s' "$entity" | seal --local-user '=Taro Yamada <yamada@example.jp>' --recipient '=Stranger <stranger@example.net>' --sign --encrypt > not-to-us.asc
printf '%s' "$entity" | seal --local-user '=Taro Yamada <yamada@example.jp>' --digest-algo SHA256 --detach-sign > detached.asc
printf -- '-- \nSex: M\nAge: 58  \n' | seal --local-user '=Taro Yamada <yamada@example.jp>' --clear-sign > clear.asc
head -c 33554432 /dev/zero | seal --recipient '=Registration <reg@example.jp>' --encrypt > bomb.asc

# Forty megabytes that say nothing, packed three times over, before a few words.
python3 - > nested.asc <<'END'
import base64, zlib
def packet(tag, body): return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body
def packed(data):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()
def crc(data):
    sum = 0xB704CE
    for byte in data:
        sum ^= byte << 16
        for _ in range(8):
            sum <<= 1
            sum ^= 0x1864CFB if sum & 0x1000000 else 0
    return (sum & 0xFFFFFF).to_bytes(3, "big")
empty = bytes.fromhex("000000ffff") * 8_000_000
message = packet(8, b"\1" + empty + packed(packet(11, b"b\0\0\0\0\0Age: 58\r\n")))
for _ in range(2): message = packet(8, b"\1" + packed(message))
text = base64.b64encode(message).decode()
lines = [text[at:at + 64] for at in range(0, len(text), 64)]
print("-----BEGIN PGP MESSAGE-----", "", *lines, "=" + base64.b64encode(crc(message)).decode(), "-----END PGP MESSAGE-----", sep="\n")
END
