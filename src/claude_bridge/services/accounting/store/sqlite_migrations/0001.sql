-- The ledger. Times are Unix milliseconds, lengths of time are milliseconds, costs are pico-dollars; hours and days are
-- counted from 1970 in UTC. NULL is what is not known. Names are numbers here: the views at the end show them as words.

CREATE TABLE name (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
);

-- One conversation of one key; `text` is '' for requests that belong to none.
CREATE TABLE session (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL,
  key INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output INTEGER NOT NULL,
  thinking INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  UNIQUE (text, key)
);
CREATE INDEX session_last ON session (last);

-- The main conversation (`text` is '') and each subagent of a session.
CREATE TABLE agent (
  id INTEGER PRIMARY KEY,
  session INTEGER NOT NULL,
  text TEXT NOT NULL,
  type INTEGER NOT NULL,
  parent TEXT NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output INTEGER NOT NULL,
  thinking INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  UNIQUE (session, text)
);
CREATE INDEX agent_last ON agent (last);

CREATE TABLE request (
  id INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL,
  agent INTEGER NOT NULL,
  model INTEGER NOT NULL,
  route INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  started INTEGER NOT NULL,
  milliseconds INTEGER NOT NULL,
  first_byte INTEGER,
  status INTEGER NOT NULL,
  outcome INTEGER NOT NULL
);
CREATE INDEX request_started ON request (started);
CREATE INDEX request_agent ON request (agent);

CREATE TABLE attempt (
  request INTEGER NOT NULL,
  number INTEGER NOT NULL,
  backend INTEGER NOT NULL,
  model INTEGER NOT NULL,
  credential INTEGER NOT NULL,
  started INTEGER NOT NULL,
  milliseconds INTEGER NOT NULL,
  first_token INTEGER,
  status INTEGER,
  outcome INTEGER NOT NULL,
  input INTEGER,
  cache_read INTEGER,
  cache_write INTEGER,
  output INTEGER,
  thinking INTEGER,
  estimated INTEGER NOT NULL,
  cost INTEGER,
  price_from INTEGER NOT NULL,
  PRIMARY KEY (request, number)
) WITHOUT ROWID;

-- Sums. A request is counted at the model that was asked last; `priced` and `unpriced` count the attempts whose cost is
-- known, and those that used tokens at an unknown price.
CREATE TABLE hour (
  hour INTEGER NOT NULL,
  backend INTEGER NOT NULL,
  model INTEGER NOT NULL,
  key INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output INTEGER NOT NULL,
  thinking INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  PRIMARY KEY (hour, backend, model, key)
) WITHOUT ROWID;

CREATE TABLE day (
  day INTEGER NOT NULL,
  backend INTEGER NOT NULL,
  model INTEGER NOT NULL,
  key INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  output INTEGER NOT NULL,
  thinking INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  PRIMARY KEY (day, backend, model, key)
) WITHOUT ROWID;

-- How many first words came within the seconds of a bucket.
CREATE TABLE latency (
  hour INTEGER NOT NULL,
  backend INTEGER NOT NULL,
  model INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (hour, backend, model, bucket)
) WITHOUT ROWID;

CREATE VIEW requests AS
SELECT
  request.id AS id,
  request.request_id AS request_id,
  datetime(request.started / 1000, 'unixepoch') AS started,
  request.started AS started_ms,
  request.milliseconds / 1000.0 AS seconds,
  request.first_byte / 1000.0 AS first_byte_seconds,
  key.text AS key,
  session.text AS session,
  agent.text AS agent,
  agent_type.text AS agent_type,
  agent.parent AS parent,
  kind.text AS kind,
  model.text AS model,
  route.text AS route,
  request.status AS status,
  outcome.text AS outcome
FROM request
JOIN agent ON agent.id = request.agent
JOIN session ON session.id = agent.session
JOIN name AS key ON key.id = session.key
JOIN name AS agent_type ON agent_type.id = agent.type
JOIN name AS kind ON kind.id = request.kind
JOIN name AS model ON model.id = request.model
JOIN name AS route ON route.id = request.route
JOIN name AS outcome ON outcome.id = request.outcome;

CREATE VIEW attempts AS
SELECT
  request.id AS request,
  attempt.number AS number,
  request.request_id AS request_id,
  datetime(attempt.started / 1000, 'unixepoch') AS started,
  attempt.started AS started_ms,
  attempt.milliseconds / 1000.0 AS seconds,
  attempt.first_token / 1000.0 AS first_token_seconds,
  key.text AS key,
  session.text AS session,
  agent.text AS agent,
  agent_type.text AS agent_type,
  agent.parent AS parent,
  kind.text AS kind,
  asked.text AS asked_model,
  route.text AS route,
  backend.text AS backend,
  model.text AS model,
  credential.text AS credential,
  attempt.status AS status,
  outcome.text AS outcome,
  attempt.input AS input_tokens,
  attempt.cache_read AS cache_read_tokens,
  attempt.cache_write AS cache_write_tokens,
  attempt.output AS output_tokens,
  attempt.thinking AS thinking_tokens,
  attempt.estimated AS estimated,
  attempt.cost AS cost_pico_usd,
  attempt.cost / 1e12 AS cost_usd,
  price_from.text AS price_from
FROM request
JOIN attempt ON attempt.request = request.id
JOIN agent ON agent.id = request.agent
JOIN session ON session.id = agent.session
JOIN name AS key ON key.id = session.key
JOIN name AS agent_type ON agent_type.id = agent.type
JOIN name AS kind ON kind.id = request.kind
JOIN name AS asked ON asked.id = request.model
JOIN name AS route ON route.id = request.route
JOIN name AS backend ON backend.id = attempt.backend
JOIN name AS model ON model.id = attempt.model
JOIN name AS credential ON credential.id = attempt.credential
JOIN name AS outcome ON outcome.id = attempt.outcome
JOIN name AS price_from ON price_from.id = attempt.price_from;
