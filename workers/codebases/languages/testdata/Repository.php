<?php

namespace App\Storage;

use App\Models\User;
use App\Events\{Created, Deleted as Removed};
use function App\Support\slug;
use Psr\Log\LoggerInterface as Logger;

require_once __DIR__ . '/helpers.php';
include 'legacy.php';

const VERSION = '1.0';

interface Finds
{
    public function find(int $id): ?User;
}

trait Counts
{
    private int $count = 0;
}

enum Mode: string
{
    case Read = 'r';
}

/**
 * Stores users. It tells others.
 */
final class Repository extends Base implements Finds
{
    use Counts;

    public const LIMIT = 10;
    protected Logger $logger;

    public function __construct(private Database $db, Logger $logger)
    {
        $this->logger = $logger;
    }

    /** Finds a user by id. */
    public function find(int $id): ?User
    {
        $row = $this->db->query(slug("users"), $id);
        event(new Created($row));
        return self::make($row) ?? User::from(Mode::Read);
    }

    private static function make(array $row): User
    {
        return new User($row);
    }
}

function connect(string $url): Repository
{
    return new Repository(Database::open($url), new \Monolog\Logger());
}
