CREATE TABLE notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text NOT NULL,
    file_key text,
    file_name text,
    file_bytes bigint,
    written_at timestamptz NOT NULL DEFAULT now()
);
