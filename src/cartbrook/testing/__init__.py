"""For the tests of a shop: deliveries made from Python rows, valid rows sampled from a contract, tables compared by content.

`cartbrook.testing.fixtures` is a pytest plugin (``pytest_plugins = ["cartbrook.testing.fixtures"]``) and
alone needs pytest.
"""

from cartbrook.testing.compare import Content, content, differences
from cartbrook.testing.delivery import RAGGED, Delivery, Row, submit
from cartbrook.testing.sample import sample_rows

__all__ = ["RAGGED", "Content", "Delivery", "Row", "content", "differences", "sample_rows", "submit"]
