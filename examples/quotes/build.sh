#!/bin/sh
# Makes quotes.jar with a JDK 17 or newer; the same source and the same JDK give the same bytes. Needs no Maven.
set -eu
cd "$(dirname "$0")"
rm -rf build
trap 'rm -rf build' EXIT
mkdir -p build/classes build/tests
javac -encoding UTF-8 -Xlint:all -Werror --release 17 -d build/classes src/quotes/*.java
cp src/quotes/quotes.txt build/classes/quotes/
javac -encoding UTF-8 -Xlint:all -Werror --release 17 -cp build/classes -d build/tests test/quotes/*.java
java -cp build/classes:build/tests quotes.QuotesTest
cd build/classes
# shellcheck disable=SC2046 # no name here holds a space
jar --create --file ../quotes.jar --main-class quotes.Main --date 2024-01-01T00:00:00Z $(find quotes -type f | LC_ALL=C sort)
cd ../..
mv build/quotes.jar quotes.jar
