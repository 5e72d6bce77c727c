# SPDX-License-Identifier: 0BSD
# Run by report.py in the folder of the data files, with the names of the disks and the folder of the results.
set terminal pngcairo size 900,420 font "sans,11" noenhanced
set style fill solid 0.9 noborder
set grid ytics lc rgb "#dddddd"
set key outside top horizontal
set border 3
set tics nomirror

set style data histograms
set style histogram clustered gap 1
set xtics rotate by -25 scale 0
set logscale y

set output results."/cycle.png"
set title "Lock and unlock with nobody else there"
set ylabel "µs"
plot for [i=1:words(disks)] "cycle.dat" using i+1:xtic(1) title word(disks, i)

set output results."/hand-over.png"
set title "From the release in one process to the lock in another"
plot for [i=1:words(disks)] "hand-over.dat" using i+1:xtic(1) title word(disks, i)

unset logscale
set logscale x
set xtics rotate by 0 autofreq
set xlabel "processes"
set style data linespoints

set output results."/crowd.png"
set title "Many processes, 500 µs critical section"
set multiplot layout 1,2
unset title
set key below horizontal
set yrange [0:*]
set ylabel "acquisitions per second"
plot "crowd.dat" using 1:2 title "this library, removing" lw 2, "" using 1:4 title "whole-file lock" lw 2
set yrange [0:1.05]
set ylabel "fewest / most of one process"
plot "crowd.dat" using 1:3 title "this library, removing" lw 2, "" using 1:5 title "whole-file lock" lw 2
unset multiplot

set output results."/growth.png"
set title "What it costs as the queue grows"
set key top left inside vertical
set logscale y
set yrange [*:*]
set xlabel "waiting"
set ylabel "µs"
plot "growth.dat" using 1:2 title "joining it" lw 2, "" using 1:3 title "leaving it" lw 2, "" using 1:4 title "position()" lw 2, \
     "" using 1:5 title "one walk of the kernel's list of locks" lw 2
