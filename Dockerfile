# One image for every part of Airflow: docker-compose.yaml says which part a container is.
FROM python:3.12-slim

# Any user id with group 0 may run it, so that files shared with the host keep their owner.
RUN useradd --uid 50000 --gid 0 --create-home clearlane
WORKDIR /opt/clearlane

COPY requirements.txt ./
# Byte code is compiled once, here: without it every process of Airflow takes three times as long to start.
RUN pip install --no-cache-dir "$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.txt)" \
    && uv pip install --system --no-cache --compile-bytecode --require-hashes -r requirements.txt

COPY dags ./dags
COPY include ./include
COPY plugins ./plugins
RUN python -m compileall -q include dags plugins \
    && mkdir -p airflow data \
    && chown -R 50000:0 airflow data \
    && chmod -R g=u airflow data

ENV HOME=/opt/clearlane/airflow \
    USER=clearlane \
    AIRFLOW_HOME=/opt/clearlane/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/clearlane/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/clearlane/plugins \
    AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=/opt/clearlane/airflow/passwords.json \
    PYTHONPATH=/opt/clearlane/include:/opt/clearlane/include/clearlane_airflow/config \
    PYTHONUNBUFFERED=1

USER 50000
EXPOSE 8080
CMD ["airflow", "version"]
