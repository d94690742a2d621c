#!/usr/bin/env bash
# Door 1, the command line: train, test, predict and resume, on handwritten digits and on a table of penguins.
set -euo pipefail

demo=$(python -c "import danlu, pathlib; print(pathlib.Path(danlu.__file__).parent / 'demo')")

# images: a folder with MNIST's four files (a folder of photos with a sub-folder per class works alike)
danlu train "$demo/digits" --epochs 3 --run digits_run
danlu resume digits_run --epochs 5           # a finished run, trained for two epochs more
danlu test digits_run                        # on the test images that training never saw

# a table: the target column is named, everything else is found out and told
danlu train "$demo/penguins.csv" --target species --epochs 20 --run penguins_run
danlu predict penguins_run "$demo/penguins.csv" -o answers.csv
head -n 4 answers.csv
