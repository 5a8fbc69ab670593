const std = @import("std");
const list = @import("list.zig");

/// How much is taken at once.
pub const page_size: usize = 4096;

var open: u32 = 0;

/// An arena of memory. It grows.
pub const Arena = struct {
    allocator: std.mem.Allocator,
    used: usize = 0,

    pub fn init(allocator: std.mem.Allocator) Arena {
        return Arena{ .allocator = allocator };
    }

    fn grow(self: *Arena) !void {
        const page = try self.allocator.alloc(u8, page_size);
        _ = list.push(page);
        open += 1;
    }
};

const Mode = enum { read, write };

pub const ArenaError = error{OutOfPages};

pub fn main() !void {
    var arena = Arena.init(std.heap.page_allocator);
    try arena.grow();
    helper(1);
}

test "grows" {
    try std.testing.expect(true);
}
