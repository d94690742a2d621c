"""Two targets of one table at once: the penguins' species and their mass, a head for each, weights learnt."""

from pathlib import Path

import danlu

PENGUINS = Path(danlu.__file__).parent / "demo" / "penguins.csv"


def main() -> danlu.Run:
    run = danlu.train(PENGUINS, target=["species", "body_mass_g"], loss_weights="learnt", epochs=15)
    for name in ("species/accuracy", "body_mass_g/rmse"):
        print(name, run.metrics[f"test/{name}"], "a guess reaches", run.metrics[f"test/{name}_baseline"])

    bird = {"island": "Dream", "bill_length_mm": 51.3, "bill_depth_mm": 19.9, "flipper_length_mm": 198}
    heads = danlu.load(run.dir).predict([bird | {"sex": "male", "year": 2007}])[0].heads
    print(heads["species"].label, f"{heads['species'].score:.3f}", f"{heads['body_mass_g'].value:.0f} g")
    return run


if __name__ == "__main__":
    main()
