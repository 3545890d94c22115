# SPDX-License-Identifier: Apache-2.0
# What the stand-ins share: commands that record their calls, as lines of JSON, in the file $FPQ_CALLS.

set stub_calls [open $env(FPQ_CALLS) a]
proc stub_json {words} {
  set quoted {}
  foreach word $words {
    lappend quoted "\"[string map [list \\ \\\\ \" \\\" \n \\n \t \\t] $word]\""
  }
  return "\[[join $quoted {, }]\]"
}
# Defines a command whose calls are recorded; `options` take no value.
proc command {name body} {
  proc $name args "stub_record $name \$args\n$body"
}
proc stub_record {name arguments} {
  puts $::stub_calls [stub_json [concat [list $name] $arguments]]
  flush $::stub_calls
}
# Splits arguments: `flags` stand alone, other words with a dash have a value. Sets `option` and `words` of the caller.
proc stub_parse {arguments flags} {
  upvar option option words words
  set option {}
  set words {}
  while {[llength $arguments]} {
    set arguments [lassign $arguments word]
    if {[string match -* $word] && [string length $word] > 1} {
      if {$word in $flags} {
        dict set option $word 1
      } else {
        set arguments [lassign $arguments value]
        dict set option $word $value
      }
    } else {
      lappend words $word
    }
  }
}
proc stub_want {condition text} {
  if {!$condition} {
    puts "ERROR: \[Stub 1-1\] $text"
    error $text
  }
}
