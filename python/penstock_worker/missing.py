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


def advice(error):
    """One sentence for a missing module."""
    name = error.name or ""
    top = name.partition(".")[0]
    package = PACKAGES.get(name) or PACKAGES.get(top) or top.replace("_", "-")
    if not package:
        return str(error)
    return "No module named '%s': add %s to requirements.txt" % (name, package)
