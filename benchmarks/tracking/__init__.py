"""How well ids last on rendered sequences, and how steady the filtered values are."""
