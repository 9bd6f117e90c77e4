from ebmood.results.figures.rays import set_decade_ticks


def test_rays_within_one_have_plain_ticks():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.set_xscale("log")
    axes.set_xlim(0.01, 100)
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(-0.293573, 0.0150237)
    set_decade_ticks(axes)
    axes.figure.draw_without_rendering()
    labels = [label.get_text().replace("\N{MINUS SIGN}", "-") for label in axes.get_yticklabels()]
    values = [float(label) for label in labels if -0.293573 <= float(label) <= 0.0150237]
    assert 0.0 in values
    assert len(values) >= 3
    assert all(abs(100 * value - round(100 * value)) < 1e-9 for value in values)
