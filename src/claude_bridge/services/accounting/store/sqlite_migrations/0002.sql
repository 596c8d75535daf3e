-- Whose a session is, so that its figures can be shown to nobody else after a restart: 'key:NAME' where clients have keys,
-- a fingerprint of the credential where that is forwarded, '' where clients cannot be told apart; '*' where several
-- owners have used it, or nobody knows.
ALTER TABLE session ADD COLUMN owner TEXT NOT NULL DEFAULT '*';
UPDATE session SET owner = 'key:' || (SELECT text FROM name WHERE name.id = session.key)
  WHERE key NOT IN (SELECT id FROM name WHERE text IN ('', 'client'));
CREATE INDEX session_owner ON session (owner, text);
