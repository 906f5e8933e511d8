// Package container takes hostile ZIP files apart, for the readers of
// submission packages above it.
//
// It believes nothing. The directory must account for every byte at the end of
// the file, so that no two readers see different entries; entries, names, sizes
// and the ratio of compression are bounded before anything is unpacked and again
// while it is; entries may not overlap. Whatever an entry is called, it is
// unpacked under a number: names are data here and never paths. They stay the
// raw bytes of the ZIP, so names that differ in case or in Unicode normalisation
// are different files.
package container
