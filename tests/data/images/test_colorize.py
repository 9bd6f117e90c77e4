import numpy as np

from ebmood.data.images.image_sets import ImageSet


def read(part):
    sequence = part.read()
    images = np.stack([np.asarray(sequence.load(i)) for i in range(sequence.count)])
    return images, None if sequence.labels is None else sequence.labels.tolist()


def test_greys_are_interpolated_between_two_fixed_colours(tmp_path):
    ramp = np.tile(np.arange(0, 256, 17, dtype=np.uint8), (3, 16, 1))
    np.savez(tmp_path / "g.npz", X=ramp)
    image_set = ImageSet(path="g.npz", colourised=True)
    images, _ = read(image_set.find(tmp_path).train)
    assert images.shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(images, read(image_set.find(tmp_path).train)[0])
    for image in images.astype(float):
        line = image[0]
        steps = np.linspace(0, 1, 16)[:, None]
        np.testing.assert_allclose(line, line[0] + (line[-1] - line[0]) * steps, atol=0.51)
        assert abs(line[-1] - line[0]).max() > 20
    assert len({image[0, 0].tobytes() for image in images}) == 3
