"""Where WSGI servers and `flask` find the app: `gunicorn wsgi:app`, `flask run`."""

from jobs_server.wsgi import application

app = application()
