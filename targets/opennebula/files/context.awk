# Reads a context.sh as data: each variable becomes a file in the folder `into`, with the value and nothing else.
#
# OpenNebula writes NAME='value' with each ' of a value as '\'' (VirtualMachineContext.cc). Values hold whatever the
# owner of the VM wrote, line breaks included. Read are: 'single quotes', "double quotes" with \ before " \ $ `,
# \ before one character, and plain words without any character that a shell would look at. A file with anything else
# in it is refused as a whole: half a context is worse than none.

BEGIN { RS = "\001" }

{ text = text (NR > 1 ? RS : "") $0 }

END {
  length_of_text = length(text)
  at = 1
  while (skip_blanks()) {
    rest = substr(text, at, 200)
    if (!match(rest, /^(export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*=/)) refuse("no assignment")
    name = substr(rest, 1, RLENGTH - 1)
    sub(/^export[ \t]+/, "", name)
    if (length(name) > 100) refuse("a name is too long")
    at += RLENGTH
    values[name] = value_here()
  }
  # printf has a limit in old awks, print has none.
  ORS = ""
  for (name in values) {
    file = into "/" name
    print values[name] > file
    close(file)
  }
}

# Goes to the next thing that is neither blank nor comment; 0 at the end.
function skip_blanks(    rest) {
  while (at <= length_of_text) {
    rest = substr(text, at, 4096)
    if (match(rest, /^[ \t\r\n;]+/)) at += RLENGTH
    else if (substr(rest, 1, 1) == "#") {
      if (match(rest, /^[^\n]+/)) at += RLENGTH
      # A comment of more than 4096 characters goes on without its #.
      while (at <= length_of_text && substr(text, at, 1) != "\n") at++
    } else return 1
  }
  return 0
}

# The value that begins here, up to the blank or the line break after it.
function value_here(    value, rest, quote, end) {
  value = ""
  while (at <= length_of_text) {
    rest = substr(text, at, 2)
    quote = substr(rest, 1, 1)
    if (quote ~ /[ \t\r\n;]/) break
    if (quote == "'") {
      end = index(substr(text, at + 1), "'")
      if (end == 0) refuse("a quote without its end")
      value = value substr(text, at + 1, end - 1)
      at += end + 1
    } else if (quote == "\"") {
      at++
      value = value double_quoted()
    } else if (quote == "\\") {
      if (length(rest) < 2 || substr(rest, 2, 1) == "\n") refuse("a \\ at the end of a line")
      value = value substr(rest, 2, 1)
      at += 2
    } else if (match(substr(text, at, 4096), /^[-A-Za-z0-9_.,:\/@%+=^~]+/)) {
      value = value substr(text, at, RLENGTH)
      at += RLENGTH
    } else refuse("a character that a shell would look at")
  }
  return value
}

function double_quoted(    value, found, next_one) {
  value = ""
  while (match(substr(text, at), /["\\$`]/)) {
    found = substr(text, at + RSTART - 1, 1)
    next_one = substr(text, at + RSTART, 1)
    value = value substr(text, at, RSTART - 1)
    at += RSTART
    if (found == "\"") return value
    if (found != "\\") refuse("a " found " in double quotes")
    if (next_one !~ /["\\$`]/) value = value "\\"
    value = value next_one
    at++
  }
  refuse("a quote without its end")
}

function refuse(why,    before, line) {
  before = substr(text, 1, at)
  line = gsub(/\n/, "", before) + 1
  printf "line %d: %s\n", line, why > "/dev/stderr"
  exit 1
}
