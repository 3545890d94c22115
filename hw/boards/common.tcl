# SPDX-License-Identifier: Apache-2.0
# Read by every script here: the job, and what all of them need. A script is run as
#     vivado -mode batch -source hw/boards/<stage>.tcl -tclargs <job.tcl>
# where job.tcl, written by hw.synth, fills the array `job`. Facts that a script finds out go to job(out)/<stage>.facts.

if {[llength $argv] != 1} {
  error "usage: -tclargs job.tcl (written by python -m hw.synth)"
}
array set job {}
namespace eval fpq {}
source [lindex $argv 0]

# One line that the caller finds among the log's errors, and the end of the stage.
proc fpq::fail {text} {
  puts "ERROR: \[fpqvar\] $text"
  error $text
}

# Something that the caller wants to know, as a line "name value".
proc fpq::fact {stage name value} {
  global job
  set file [open [file join $job(out) $stage.facts] a]
  puts $file "$name $value"
  close $file
}

# All files below a folder whose names match.
proc fpq::find_files {folder pattern} {
  set found [glob -nocomplain -directory $folder -types f $pattern]
  foreach inner [glob -nocomplain -directory $folder -types d *] {
    set found [concat $found [fpq::find_files $inner $pattern]]
  }
  return [lsort $found]
}

# Copies the one file below a folder that matches.
proc fpq::keep {folder pattern target} {
  set found [fpq::find_files $folder $pattern]
  if {[llength $found] != 1} {
    fpq::fail "[llength $found] files $pattern below $folder, where one was expected"
  }
  file copy -force [lindex $found 0] $target
}

# Connects pins of cells, given by path; the first one drives.
proc fpq::wire {driver args} {
  foreach pin $args {
    connect_bd_net [get_bd_pins $driver] [get_bd_pins $pin]
  }
}

# Connects a master interface to a slave interface, given by path.
proc fpq::bus {master slave} {
  connect_bd_intf_net [get_bd_intf_pins $master] [get_bd_intf_pins $slave]
}

# A cell of the tool's newest version of an IP.
proc fpq::cell {name ip properties} {
  create_bd_cell -type ip -vlnv xilinx.com:ip:$ip $name
  fpq::configure $name $properties
}

# Sets CONFIG.* of a cell; the names come without that prefix.
proc fpq::configure {name properties} {
  set all {}
  foreach {key value} $properties {
    lappend all CONFIG.$key $value
  }
  if {[llength $all]} {
    set_property -dict $all [get_bd_cells $name]
  }
}

# Maps a segment into an address space.
proc fpq::map {space segment offset range} {
  assign_bd_address -target_address_space $space -offset $offset -range $range -force [get_bd_addr_segs $segment]
}

# The address space of one of the engine's masters.
proc fpq::space_of {master} {
  return [get_bd_addr_spaces -of_objects [get_bd_intf_pins engine/$master]]
}

# Starts a run up to a step and waits. If it fails, what its own log says is repeated here.
proc fpq::finish {run args} {
  global job
  launch_runs $run -jobs $job(jobs) {*}$args
  wait_on_run $run
  if {[get_property PROGRESS [get_runs $run]] eq "100%" && ![string match "*ERROR*" [get_property STATUS [get_runs $run]]]} {
    return
  }
  foreach one [get_runs] {
    if {![string match "*ERROR*" [get_property STATUS [get_runs $one]]]} {
      continue
    }
    set log [file join [get_property DIRECTORY [get_runs $one]] runme.log]
    if {[file exists $log]} {
      set file [open $log]
      foreach line [split [read $file] \n] {
        if {[string match "ERROR:*" $line]} {
          puts $line
        }
      }
      close $file
    }
  }
  fpq::fail "$run ended with: [get_property STATUS [get_runs $run]]"
}
