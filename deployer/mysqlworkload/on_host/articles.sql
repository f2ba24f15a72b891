DROP DATABASE IF EXISTS tune_bench;
CREATE DATABASE tune_bench;
USE tune_bench;
CREATE TABLE articles (
  id INT PRIMARY KEY, author INT NOT NULL, created INT NOT NULL, views INT NOT NULL DEFAULT 0,
  title CHAR(80) NOT NULL, body VARCHAR(1600) CHARACTER SET ascii NOT NULL, KEY author_created (author, created)
);
INSERT INTO articles
SELECT seq, (seq * 7919) % 2000, (seq * 104729) % 1000000, 0, MD5(seq), REPEAT(MD5(seq), 45) FROM seq_1_to_180000;
ANALYZE TABLE articles;
SELECT 'MiB', ROUND((DATA_LENGTH + INDEX_LENGTH) / 1048576) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = 'tune_bench';
