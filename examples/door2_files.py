"""Door 2, one call on your own files: a table of penguins becomes a model that names the species."""

from pathlib import Path

import danlu

PENGUINS = Path(danlu.__file__).parent / "demo" / "penguins.csv"


def main() -> danlu.Run:
    run = danlu.train(PENGUINS, target="species", epochs=20)
    print("accuracy", run.metrics["test/accuracy"], "a guess reaches", run.metrics["test/accuracy_baseline"])

    model = danlu.load(run.dir)  # in another program, on another day: this line and the next are all it takes
    columns = ["island", "bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "sex", "year"]
    birds = [
        ["Dream", 51.3, 19.9, 198, 3700, "male", 2007],
        ["Biscoe", 46.1, None, 215, 5100, None, 2008],  # not everything was measured: None is welcome
    ]
    rows = [dict(zip(columns, bird)) for bird in birds]
    for answer in model.predict(rows):
        print(answer.label, f"{answer.score:.3f}")
    return run


if __name__ == "__main__":
    main()
