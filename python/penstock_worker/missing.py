"""Names of packages that differ from the name that is imported, for the advice after a failed import."""

PACKAGES = {
    "Crypto": "pycryptodome",
    "IPython": "ipython",
    "Levenshtein": "levenshtein",
    "MySQLdb": "mysqlclient",
    "OpenSSL": "pyopenssl",
    "PIL": "pillow",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "catboost": "catboost",
    "community": "python-louvain",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "pymupdf",
    "google.protobuf": "protobuf",
    "jwt": "pyjwt",
    "keras": "keras",
    "magic": "python-magic",
    "pkg_resources": "setuptools",
    "psycopg2": "psycopg2-binary",
    "sentence_transformers": "sentence-transformers",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tensorflow": "tensorflow-cpu",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}


def cure(package):
    """Where a missing package can come from: a file alone has no requirements.txt beside it."""
    return (
        "add %s to requirements.txt, or create an environment that has it with "
        "`penstock environments create NAME --add %s`, and register the model with --environment NAME" % (package, package)
    )


def advice(error):
    """One sentence for a missing module."""
    name = error.name or ""
    top = name.partition(".")[0]
    package = PACKAGES.get(name) or PACKAGES.get(top) or top.replace("_", "-")
    if not package:
        return str(error)
    return "No module named '%s': %s" % (name, cure(package))
