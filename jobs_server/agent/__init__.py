"""The site agent: carries jobs out on INDI and Alpaca devices, and knows nothing of the server."""
