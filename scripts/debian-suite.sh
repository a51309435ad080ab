# shellcheck shell=bash
# Sourced: the packages of a suite of Debian that need not be the machine's, by way of the machine's own package sources
# and with an apt configuration of its own. The system's is only read, and nothing is installed.

sources_of_suite() { # FOLDER TYPES SUITE: this machine's main archive, in both of its formats, asked for the suite
  local folder=$1 types=$2 suite=$3 codename file
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  [ -n "$codename" ] || return 1
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    awk -v RS= -v suite="$codename" -v other="$suite" -v types="$types" '
      ("\n" $0) ~ "\nSuites:[^\n]* *" suite "( |\n|$)" && ("\n" $0) ~ "\nTypes:[^\n]* *deb( |\n|$)" && !/\nEnabled: *no/ {
        sub(/(^|\n)Suites:[^\n]*/, "\nSuites: " other); sub(/(^|\n)Types:[^\n]*/, "\nTypes: " types)
        sub(/^\n/, ""); print $0 "\n"
      }' "$file"
  done >"$folder/suite.sources"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$file" ] || continue
    for type in $types; do
      sed -nE "s/^deb(( +\[[^]]*\])? +[^ ]+ +)$codename( .*)$/$type\1$suite\3/p" "$file"
    done
  done >"$folder/suite.list"
  [ -s "$folder/suite.sources" ] || [ -s "$folder/suite.list" ]
}

apt_of_suite() { # WORK TYPES SUITE: writes WORK/apt.conf and has every later apt-get of this script use it
  local work=$1
  mkdir -p "$work"/{lists/partial,cache/archives/partial,parts}
  sources_of_suite "$work/parts" "$2" "$3" || return 1
  : >"$work/status"
  cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$work/parts";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
CONF
  export APT_CONFIG=$work/apt.conf
}

first_error() { grep -m 1 -E '^(E:|W: Failed)' "$1" || tail -n 1 "$1"; } # LOG
