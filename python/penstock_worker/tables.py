"""Rows of numbers as text: CSV, and the sparse form of LIBSVM."""

from .tensors import np

COLUMNS_MAX = 1_000_000


def csv_table(text):
    """The rows of CSV without a header, FP64. An empty cell is missing (NaN). Raises ValueError."""
    lines = text.strip().split("\n")
    delimiter = next((each for each in ",;\t| " if each in lines[0]), ",")
    rows = [[float(cell) if cell.strip() else float("nan") for cell in line.strip("\r").split(delimiter)] for line in lines]
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("the rows have different numbers of columns")
    return np.array(rows, dtype=np.float64)


def libsvm_table(text, columns=None):
    """The rows of `label index:value ...`, of which the label may be missing, as a sparse matrix. An index counts as it is written, from 0.
    `columns`: of the matrix; by default as many as the largest index needs. Raises ValueError."""
    from scipy.sparse import csr_matrix

    rows, indices, values = [], [], []
    lines = text.strip().split("\n")
    for number, line in enumerate(lines):
        for item in line.split():
            index, colon, value = item.partition(":")
            if not colon:
                continue  # the label
            rows.append(number)
            indices.append(int(index))
            values.append(float(value))
    width = max(indices, default=-1) + 1
    if min(indices, default=0) < 0 or width > COLUMNS_MAX:
        raise ValueError("an index is not from 0 to %d" % (COLUMNS_MAX - 1))
    if columns is not None and width > columns:
        raise ValueError("the rows have the index %d, and the model has the features 0 to %d" % (width - 1, columns - 1))
    return csr_matrix((values, (rows, indices)), shape=(len(lines), columns or width))
