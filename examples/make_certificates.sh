#!/usr/bin/env bash
# Makes certificates to try TLS with: a CA, one for a server and one for a client, each with its key.
#
#     examples/make_certificates.sh FOLDER [SERVER_NAME ...]
#
# The server's certificate is for localhost, 127.0.0.1 and ::1, and for the names and addresses that you add.
# The keys have no passphrase and the certificates last 30 days: for trying things out, not for what others rely on.
set -euo pipefail

if [ $# -lt 1 ] || [[ $1 == -* ]]; then
    echo "usage: $0 FOLDER [SERVER_NAME ...]" >&2
    exit 2
fi
if ! command -v openssl >/dev/null; then
    echo "$0 needs openssl; on Debian: apt-get install openssl" >&2
    exit 1
fi
folder=$1
shift
days=30
umask 077
mkdir -p "$folder"
cd "$folder"
if [ -e ca.key ]; then
    echo "$folder has certificates already, which somebody may rely on: name another folder, or remove it" >&2
    exit 1
fi

names="DNS:localhost,IP:127.0.0.1,IP:::1"
for name in "$@"; do
    if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
done

# what openssl says is of interest only when it fails
quietly() {
    local said
    said=$("$@" 2>&1) || { echo "$said" >&2; exit 1; }
}

# sign NAME SUBJECT EXTENSION ... : a key and a certificate of that name, signed by the CA
sign() {
    local name=$1 subject=$2 extensions
    shift 2
    extensions=$(printf '%s\n' "basicConstraints=critical,CA:FALSE" "authorityKeyIdentifier=keyid" "$@")
    quietly openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
        -keyout "$name.key" -subj "/CN=$subject" -out "$name.csr"
    quietly openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -days "$days" -sha256 \
        -extfile <(echo "$extensions") -out "$name.pem"
    rm "$name.csr"
}

quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" -sha256 \
    -keyout ca.key -out ca.pem -subj "/CN=CA to try things out with" \
    -addext "keyUsage=critical,keyCertSign,cRLSign"
sign server "server" "keyUsage=critical,digitalSignature" "extendedKeyUsage=serverAuth" "subjectAltName=$names"
sign client "client" "keyUsage=critical,digitalSignature" "extendedKeyUsage=clientAuth"

echo "in $folder: ca.pem, server.pem, client.pem, and a .key for each"
echo "the server's certificate is for $names"
