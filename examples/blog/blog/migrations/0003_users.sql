CREATE TABLE IF NOT EXISTS users (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT,
    name VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    password_hash VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    session_epoch INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'sessions of another epoch are over',
    PRIMARY KEY (id),
    UNIQUE KEY users_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
