# Prints what Go benchmarks measured as one table: a line for each number.
/^Benchmark/ {
	sub(/^Benchmark/, "", $1)
	sub(/-[0-9]+$/, "", $1)
	for (i = 3; i < NF; i += 2)
		if ($(i + 1) != "ns/op" || NF == 4) {
			if (!title++)
				printf "\n%-44s %14s  %s\n", "benchmark", "measured", "unit"
			printf "%-44s %14s  %s\n", $1, $i, $(i + 1)
		}
}
