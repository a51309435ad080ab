# Takes from the name of a function what differs from one compiler or one change to the next: the hashes of crates (as
# `Cs…_`) and of functions, and what LLVM adds where it splits modules.
s/Cs[0-9A-Za-z]+_/C/g
s/17h[0-9a-f]{16}E/E/
s/\.llvm\.[0-9]+$//
