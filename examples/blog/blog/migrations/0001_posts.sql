-- Each statement may run again: a step that stopped half-way is repeated as a whole.
CREATE TABLE IF NOT EXISTS posts (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT,
    slug VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    title VARCHAR(200) NOT NULL,
    excerpt VARCHAR(300) NOT NULL,
    body MEDIUMTEXT NOT NULL,
    body_html MEDIUMTEXT NOT NULL,
    published_at DATETIME NULL COMMENT 'UTC; NULL is a draft',
    updated_at DATETIME NOT NULL COMMENT 'UTC',
    PRIMARY KEY (id),
    UNIQUE KEY posts_slug (slug),
    KEY posts_published (published_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE IF NOT EXISTS tags (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT,
    slug VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name VARCHAR(80) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY tags_slug (slug)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The date stands here a second time, so that a tag's newest posts come from one index without sorting.
CREATE TABLE IF NOT EXISTS post_tags (
    post_id INT UNSIGNED NOT NULL,
    tag_id INT UNSIGNED NOT NULL,
    published_at DATETIME NULL,
    PRIMARY KEY (post_id, tag_id),
    KEY post_tags_newest (tag_id, published_at, post_id),
    CONSTRAINT post_tags_post FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE,
    CONSTRAINT post_tags_tag FOREIGN KEY (tag_id) REFERENCES tags (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;
